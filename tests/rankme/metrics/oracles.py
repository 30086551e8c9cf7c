"""Every metric as its formula is written: float64, whole matrices, SVD. Slow and plain.

And the embeddings that they are compared on.
"""

import numpy as np
from scipy.linalg import sqrtm
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from scipy.stats import entropy, linregress

from rankme.metrics import METRICS

OF_VIEWS = ["alignment", "lidar"]
OF_ROWS = ["coherence", "idest", "self_cluster", "uniformity"]
OF_SPECTRUM = [name for name in METRICS if name not in (*OF_VIEWS, *OF_ROWS)]


def embeddings(rows: int = 60, columns: int = 20, seed: int = 0) -> np.ndarray:
    """A decaying spectrum, and a mean that counts."""
    generator = np.random.default_rng(seed)
    scale = 1 / np.arange(1, columns + 1)
    return generator.standard_normal((rows, columns)) * scale + 0.1 * generator.random(columns)


def views(images: int = 40, q: int = 5, columns: int = 8, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    own = generator.standard_normal((images, 1, columns)) / np.arange(1, columns + 1)
    return own + 0.3 * generator.standard_normal((images, q, columns))


def spectrum(z: np.ndarray) -> np.ndarray:
    return np.linalg.svd(z.astype(np.float64), compute_uv=False)


def covariance_eigenvalues(z: np.ndarray) -> np.ndarray:
    return np.sort(np.linalg.eigvalsh(np.cov(z.astype(np.float64).T)))[::-1]


def rankme(z: np.ndarray, eps: float = 1e-7) -> float:
    """By scipy's entropy, which scales the shares to sum 1: undone by hand."""
    sigma = spectrum(z)
    shares = sigma / sigma.sum() + eps
    total = shares.sum()
    return float(np.exp(total * entropy(shares) - total * np.log(total)))


def effective_rank(z: np.ndarray) -> float:
    return float(np.exp(entropy(spectrum(z))))


def alpha_req(z: np.ndarray, first: int = 10, last: int = 100) -> float:
    eigenvalues = covariance_eigenvalues(z)[first - 1 : min(last, len(z) - 1)]
    ranks = np.arange(first, first + len(eigenvalues))
    return -float(linregress(np.log(ranks), np.log(eigenvalues)).slope)


def nesum(z: np.ndarray) -> float:
    eigenvalues = covariance_eigenvalues(z)
    return float(eigenvalues.sum() / eigenvalues[0])


def participation_ratio(z: np.ndarray) -> float:
    """From traces: no eigenvalues."""
    covariance = np.cov(z.T)
    return float(np.trace(covariance) ** 2 / np.trace(covariance @ covariance))


def stable_rank(z: np.ndarray) -> float:
    return float(np.linalg.norm(z, "fro") ** 2 / np.linalg.norm(z, 2) ** 2)


def condition_number(z: np.ndarray) -> float:
    return float(np.linalg.cond(z))


def coherence(z: np.ndarray) -> float:
    u, _, _ = np.linalg.svd(z, full_matrices=False)
    rank = np.linalg.matrix_rank(z)
    return float(len(z) / rank * np.square(u[:, :rank]).sum(1).max())


def directions(z: np.ndarray) -> np.ndarray:
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def self_cluster(z: np.ndarray) -> float:
    w = directions(z)
    n, d = w.shape
    expected = n + n * (n - 1) / d
    return float((np.linalg.norm(w @ w.T) ** 2 - expected) / (n**2 - expected))


def uniformity(z: np.ndarray) -> float:
    return float(np.log(np.exp(-2 * pdist(directions(z), "sqeuclidean")).mean()))


def alignment(views: np.ndarray) -> float:
    return float(np.mean([pdist(directions(image), "sqeuclidean").mean() for image in views]))


def lidar(views: np.ndarray, delta: float = 1e-4, eps: float = 1e-8) -> float:
    """Sums over classes and samples one by one, and matrix roots by scipy."""
    n, q, k = views.shape
    grand = views.reshape(-1, k).mean(0)
    between, within = np.zeros((k, k)), np.zeros((k, k))
    for image in views:
        mean = image.mean(0)
        between += np.outer(mean - grand, mean - grand) / (n - 1)
        for view in image:
            within += np.outer(view - mean, view - mean) / (n * (q - 1))
    root = np.linalg.inv(sqrtm(within + delta * np.eye(k)).real)
    eigenvalues = np.linalg.eigvalsh(root @ between @ root).clip(min=0)
    shares = eigenvalues / eigenvalues.sum() + eps
    return float(np.exp(-np.sum(shares * np.log(shares))))


def spanning_tree_length(points: np.ndarray) -> float:
    """Of distinct points: scipy reads a distance of 0 as no edge."""
    return float(minimum_spanning_tree(squareform(pdist(points))).sum())


def idest(points: np.ndarray, rows: int = 2048) -> float:
    points = points[np.random.default_rng(0).permutation(len(points))[:rows]]
    sizes = [len(points) * step // 8 for step in range(1, 9)]
    lengths = [spanning_tree_length(points[:size]) for size in sizes]
    return 1 / (1 - float(linregress(np.log(sizes), np.log(lengths)).slope))
