"""Rows of embeddings as the metrics read them: in blocks of float64, or a fixed random subset."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Embeddings: TypeAlias = Union[np.ndarray, "Tensor", Sequence[Sequence[float]]]
"""A matrix N x K: a numpy array, a torch tensor of any dtype on any device, or a list of rows."""

BLOCK_BYTES = 64 * 2**20
"""Of float64 rows that are held at a time."""

PAIR_ROWS = 2048
"""Rows of metrics that compare all pairs of them, unless told otherwise."""

SUBSET_SEED = 0


def as_array(values: Any, axes: int = 2) -> "np.ndarray | Tensor":
    """Embeddings N x K, or with three axes n x q x K; ValueError if empty or of another shape."""
    array = values if hasattr(values, "ndim") else np.asarray(values)
    if array.ndim != axes or 0 in array.shape:
        form = "N x K" if axes == 2 else "n x q x K: q views of n images"
        raise ValueError(f"embeddings have shape {tuple(array.shape)}, expected {form}")
    return array


def blocks(embeddings: "np.ndarray | Tensor") -> Iterator[np.ndarray]:
    """The rows (or images), in order, in blocks of float64 on the host.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    row_bytes = 8 * int(np.prod(embeddings.shape[1:]))
    step = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, len(embeddings), step):
        block = host_float64(embeddings[start : start + step])
        if not np.isfinite(block).all():
            raise ValueError("embeddings hold NaN or infinite values; has it diverged?")
        yield block


def whole(embeddings: "np.ndarray | Tensor") -> np.ndarray:
    """All rows at once, as `blocks` gives them."""
    return np.concatenate(list(blocks(embeddings)))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows (last axis) scaled to norm 1; NaN for a row of zeros, which has no direction."""
    largest = np.abs(rows).max(-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        rows = rows / largest  # so that squares neither overflow nor vanish
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def subset(count: int, samples: int) -> np.ndarray:
    """Sorted indices of `samples` of `count` rows: always the same, nested in `samples`."""
    return np.sort(np.random.default_rng(SUBSET_SEED).permutation(count)[:samples])


def host_float64(rows: "np.ndarray | Tensor") -> np.ndarray:
    """Float64 on the host; an array that is both is not copied."""
    if isinstance(rows, np.ndarray):
        return rows.astype(np.float64, copy=False)
    return rows.detach().cpu().double().numpy()
