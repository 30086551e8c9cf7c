"""Settings of the metrics. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RankSettings:
    """Settings of the metrics, all of them in the study's `rank` section.

    Attributes:
        samples: images of each dataset, a fixed random subset.
        eps: of RankMe.
        alpha_fit: first and last rank of the eigenvalues that alpha-ReQ fits.
        pair_rows: images of the metrics that compare all pairs.
        lidar_images: images of which views are made.
        lidar_views: augmented views of each.
    """

    samples: int
    eps: float
    alpha_fit: Sequence[int]
    pair_rows: int
    lidar_images: int
    lidar_views: int
