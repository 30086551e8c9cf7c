"""Singular values and covariance of a matrix of embeddings, in one pass and O(K^2) memory."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rankme.metrics.rows import as_array, host_float64

if TYPE_CHECKING:
    from torch import Tensor

    from rankme.metrics.rows import Embeddings


class Gram:
    """Streaming Gram matrix G = Z^T Z of embeddings Z (N x K), accumulated in float64.

    Of CUDA tensors it stays on the device; tensors from elsewhere are summed by numpy, which needs
    half the products of a symmetric matrix (2.5 s against torch's 4.1 s at 25,600 x 2,048 on one
    core) and has float64 where MPS has none. Matrices of disjoint shards add up: `first + second`.

    Attributes:
        count: number N of rows seen.
        matrix: K x K float64, of the kind and on the device of the batches.
        sum: their sum, (K,) float64, likewise.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension, self.count = dimension, 0
        # Both take their kind and device from the first batch.
        self.matrix: Any = 0.0
        self.sum: Any = 0.0

    def update(self, batch: "np.ndarray | Tensor") -> None:
        """Add the rows of `batch` (n x K); at most O(K^2) of it is held in float64 at a time."""
        if batch.ndim != 2 or batch.shape[1] != self.dimension:
            raise ValueError(
                f"embeddings have shape {tuple(batch.shape)}, expected (rows, {self.dimension})"
            )
        rows = max(self.dimension, 1024)
        for start in range(0, len(batch), rows):
            block = _float64(batch[start : start + rows])
            with np.errstate(invalid="ignore", over="ignore"):  # `Spectrum` reports it
                # Not in place: a `Spectrum` may hold what was summed so far.
                self.matrix = self.matrix + block.T @ block
                self.sum = self.sum + block.sum(0)
        self.count += len(batch)

    def __add__(self, other: "Gram") -> "Gram":
        """The Gram matrix of both sets of rows."""
        if self.dimension != other.dimension:
            raise ValueError(f"cannot add Grams of {self.dimension} and {other.dimension} columns")
        total = Gram(self.dimension)
        total.count = self.count + other.count
        total.matrix = self.matrix + other.matrix
        total.sum = self.sum + other.sum
        return total

    def spectrum(self) -> "Spectrum":
        """What the metrics of the spectrum are computed from; ValueError as long as no row came."""
        if self.count == 0:
            raise ValueError("no embeddings: the spectrum of zero rows is not defined")
        return Spectrum(self.matrix, self.sum, self.count, self.dimension)

    def singular_values(self) -> np.ndarray:
        """The min(N, K) singular values of Z, as `Spectrum` gives them."""
        return self.spectrum().singular_values


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectrum of embeddings Z, N x K, each part of it computed when first asked for.

    Attributes:
        gram: Z^T Z, float64 (K, K); or Z Z^T, (N, N).
        sum: sum of the rows, float64 (K,); None where gram is Z Z^T.
        count: number N of rows.
        dimension: number K of columns.

    Raises:
        ValueError: a value is NaN, infinite or overflows when squared.
    """

    gram: Any
    sum: Any | None
    count: int
    dimension: int

    def __post_init__(self) -> None:
        if not math.isfinite(self.gram.trace()):
            raise ValueError("embeddings hold NaN, infinite or too large values; has it diverged?")

    @cached_property
    def singular_values(self) -> np.ndarray:
        """The min(N, K) singular values of Z, float64, in descending order.

        Eigenvalues below sqrt(K) * 2.2e-16 of the largest are rounding errors of the Gram matrix
        (measured: up to 30 * 2.2e-16 at K = 2048) and become 0. Singular values below 1e-7 of the
        largest are lost with them, which moves RankMe by less than 0.4 %, and only where one
        direction holds nearly everything.
        """
        values = _eigenvalues(self.gram)[::-1][: min(self.count, self.dimension)]
        return np.sqrt(zeroed_below(values, self._resolution * values[0]))

    @cached_property
    def covariance_eigenvalues(self) -> np.ndarray:
        """The min(N - 1, K) eigenvalues of the covariance of Z's columns, float64, descending.

        Those below the rounding errors of Z^T Z become 0: variance that is less than 1e-14 of the
        squared mean cannot be told from none. Empty for a single row.
        """
        values = _eigenvalues(self._centred())[::-1][: min(self.count - 1, self.dimension)]
        floor = self._resolution * self.singular_values[0] ** 2
        return zeroed_below(values, floor) / max(self.count - 1, 1)

    def _centred(self) -> Any:
        """The Gram matrix of Z less its mean row."""
        if self.sum is not None:
            mean = self.sum / self.count
            return self.gram - self.count * mean[:, None] * mean
        mean = self.gram.mean(0)
        return self.gram - mean - mean[:, None] + mean.mean()

    @property
    def _resolution(self) -> float:
        return math.sqrt(len(self.gram)) * float(np.finfo(np.float64).eps)


def spectrum_of(embeddings: "Embeddings | Spectrum") -> Spectrum:
    """The spectrum of a matrix, from the smaller of its two Gram matrices."""
    if isinstance(embeddings, Spectrum):
        return embeddings
    matrix = as_array(embeddings)
    rows, columns = matrix.shape
    gram = Gram(min(rows, columns))
    if rows >= columns:
        gram.update(matrix)
        return gram.spectrum()
    gram.update(matrix.T)
    return Spectrum(gram.matrix, None, rows, columns)


def zeroed_below(values: np.ndarray, floor: float) -> np.ndarray:
    """Eigenvalues of a matrix that has no negative ones: rounding errors, up to `floor`, are 0."""
    return np.where(values > max(floor, 0.0), values, 0.0)


def relative_values(values: np.ndarray) -> np.ndarray:
    """Descending values over the first.

    Of none, or of zeros alone, those of a single direction: 1, 0, 0 ... So embeddings collapsed to
    zero or, where the covariance counts, to one point have rank 1, as they have for RankMe.
    """
    if values.size and values[0] > 0:
        return values / values[0]
    return np.eye(1, max(values.size, 1))[0]


def _float64(rows: "np.ndarray | Tensor") -> Any:
    if isinstance(rows, np.ndarray) or not rows.is_cuda:
        return host_float64(rows)
    return rows.detach().double()


def _eigenvalues(matrix: Any) -> np.ndarray:
    """Eigenvalues in ascending order, on the host."""
    if isinstance(matrix, np.ndarray):
        return np.linalg.eigvalsh(matrix)
    import torch

    return torch.linalg.eigvalsh(matrix).cpu().numpy()
