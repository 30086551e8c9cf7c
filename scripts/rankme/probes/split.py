"""A fixed part of the training images, held out to choose hyperparameters on."""

import numpy as np

from rankme.errors import UserError


def stratified_split(
    labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices to fit on and indices held out, disjoint and sorted, that together are all.

    Of each class the given fraction is held out, but at least one and never all; a class with a
    single member is fitted on. An image with several labels counts for its rarest.

    Args:
        labels: classes (N,), or 0/1 matrix (N, C) where an image may have several.
        fraction: to hold out.
        seed: of the choice.

    Raises:
        UserError: no class has two members.
    """
    generator = np.random.default_rng(seed)
    strata = labels if labels.ndim == 1 else _rarest_label(labels)
    held_out = np.zeros(len(strata), dtype=bool)
    for members in (np.flatnonzero(strata == stratum) for stratum in np.unique(strata)):
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held_out[generator.permutation(members)[:count]] = True
    if not held_out.any():
        raise UserError(
            f"none of {len(labels)} training images can be held out to select the head: "
            "each class has only one; add images"
        )
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _rarest_label(labels: np.ndarray) -> np.ndarray:
    """The least frequent of each image's labels, (N,); C for an image that has none."""
    counts = labels.sum(axis=0, dtype=np.int64)
    rarest = np.where(labels > 0, counts, len(labels) + 1).argmin(axis=1)
    return np.where(labels.any(axis=1), rarest, labels.shape[1])
