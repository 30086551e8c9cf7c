"""What a metric's file says of its metric, and what a metric is measured on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rankme.metrics.spectrum import Spectrum, spectrum_of

if TYPE_CHECKING:
    from rankme.study.settings import Rank


@dataclass(frozen=True, eq=False)
class Sample:
    """Embeddings of one dataset; what several metrics need is computed once, when asked for.

    Attributes:
        embeddings: N x K.
        views: n x q x K, embeddings of q augmented views of each of n images; empty for none.
        settings: the study's `rank` section.
    """

    embeddings: np.ndarray
    views: np.ndarray
    settings: "Rank"

    @cached_property
    def spectrum(self) -> Spectrum:
        """Theirs; ValueError if they hold NaN, infinite or too large values."""
        return spectrum_of(self.embeddings)

    @property
    def pair_rows(self) -> int:
        """Number of rows of the metrics that compare all pairs."""
        return min(self.settings.pair_rows, len(self.embeddings))

    @property
    def view_counts(self) -> dict[str, int]:
        """Numbers of images that have views, and of views of each."""
        return dict(zip(("images", "views"), self.views.shape, strict=False))


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A label-free metric: how it is measured and read.

    Attributes:
        label: name for tables and figures.
        source: paper that defines it.
        better: which values promise the better model: high ones, low ones, or those nearest to 1.
        why: the reason for that direction, as its source has it.
        measure: its value on a sample of finite numbers; NaN or infinite where it is not defined.
        settings: what it is measured with on a sample, for the record; None for nothing.
        needs_views: whether it is measured on augmented views instead of evaluation images.
    """

    label: str
    source: str
    better: Literal["high", "low", "near one"]
    why: str
    measure: Callable[[Sample], float]
    settings: Callable[[Sample], dict[str, Any]] | None = None
    needs_views: bool = False

    def score(self, value: float) -> float:
        """A number that is higher the better the model that the metric promises."""
        return {"high": value, "low": -value, "near one": -abs(value - 1)}[self.better]
