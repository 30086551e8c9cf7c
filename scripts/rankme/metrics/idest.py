"""IdEst: the intrinsic dimension, from how the length of a spanning tree grows with its points."""

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rows import PAIR_ROWS, SUBSET_SEED, Embeddings, as_array, whole

METRIC = Metric(
    label="IdEst",
    source="Mordacq et al., ICML 2026 (arXiv 2606.03338)",
    better="low",
    why=(
        "the paper's error bound falls as n^(-1/d): of representations that learn, the one of"
        " lower intrinsic dimension d generalises better"
    ),
    measure=lambda sample: idest(sample.embeddings, sample.pair_rows),
    settings=lambda sample: {"rows": sample.pair_rows, "tree_sizes": tree_sizes(sample.pair_rows)},
)


def idest(embeddings: Embeddings, rows: int = PAIR_ROWS) -> float:
    """Intrinsic dimension d = 1 / (1 - slope) (Mordacq et al., ICML 2026, algorithm 1).

    The slope is that of the least squares of log L on log n, where L is the length of the Euclidean
    minimum spanning tree of the first n points, raw and uncentred, of a fixed random subset, and n
    takes eight equal steps. A subset because pairs grow as N^2. Few points underestimate many
    dimensions, as in any method: measured at 2,048, uniform spheres of 1, 2, 5, 10 and 20
    dimensions give 1.0, 2.0, 5.0, 9.3 and 16.

    Args:
        rows: points of that subset, all where there are fewer; 8 rows^2 bytes are held.

    Returns:
        The dimension; infinity where the slope is not below 1; NaN of fewer than 16 points, or
        where so many are equal that a tree has no length.
    """
    matrix = as_array(embeddings)
    sizes = tree_sizes(min(rows, len(matrix)))
    if not sizes:
        return float("nan")
    order = np.random.default_rng(SUBSET_SEED).permutation(len(matrix))[: sizes[-1]]
    distances = _distances(whole(matrix[order]))
    lengths = np.array([spanning_tree_length(distances[:n, :n]) for n in sizes])
    if lengths.min() <= 0:
        return float("nan")
    slope = np.polyfit(np.log(sizes), np.log(lengths), 1)[0]
    return float(1 / (1 - slope)) if slope < 1 else float("inf")


def tree_sizes(points: int) -> list[int]:
    """Numbers of points of the trees: eighths of all; none where an eighth is a single point."""
    return [points * step // 8 for step in range(1, 9)] if points >= 16 else []


def spanning_tree_length(distances: np.ndarray) -> float:
    """Length of the minimum spanning tree of n points, from their distances (n, n).

    Prim's algorithm, since scipy's reads a distance of 0, between equal points, as no edge, and
    sorts all n^2 edges: at 2,048 points, 20 ms against 0.5 s.
    """
    nearest = distances[0].copy()
    outside = np.ones(len(distances), dtype=bool)
    outside[0], length = False, 0.0
    for _ in range(len(distances) - 1):
        point = int(np.where(outside, nearest, np.inf).argmin())
        length += float(nearest[point])
        outside[point] = False
        np.minimum(nearest, distances[point], out=nearest)
    return length


def _distances(points: np.ndarray) -> np.ndarray:
    """Distances (n, n); points are centred first, so that a large mean costs no accuracy."""
    points = points - points.mean(0)
    squares = np.square(points).sum(1)
    distances = points @ points.T
    distances *= -2
    distances += squares
    distances += squares[:, None]
    np.fill_diagonal(distances, 0.0)
    distances.clip(min=0, out=distances)
    return np.sqrt(distances, out=distances)
