"""RankMe of embeddings and representations on training images of one dataset."""

import argparse
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from rankme import cli
from rankme.artefacts import provenance, save_record
from rankme.features import TAPS, load_features
from rankme.metrics import Gram, rankme_from_singular_values

SPLIT = "train"
SUBSET_SEED = 0
CHUNK_ROWS = 4096


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder of features")
    parser.add_argument("--samples", type=int, required=True, help="images, at most all")
    parser.add_argument("--eps", type=float, required=True, help="added to each share")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    return parser.parse_args()


def subset(count: int, samples: int) -> np.ndarray:
    """Sorted indices of the images measured: the same for every model, nested in `samples`."""
    return np.sort(np.random.default_rng(SUBSET_SEED).permutation(count)[:samples])


def measure(features: np.ndarray, rows: np.ndarray, eps: float) -> dict[str, Any]:
    """RankMe and spectrum of those rows of features (N, K); both are empty if one is not finite."""
    gram = Gram(features.shape[1])
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = features[rows[start : start + CHUNK_ROWS]]
        if not np.isfinite(chunk).all():
            return spectrum_record(None, np.empty(0), len(rows), features.shape[1], eps)
        gram.update(chunk)
    sigma = gram.singular_values()
    rankme = rankme_from_singular_values(sigma, eps)
    return spectrum_record(rankme, sigma, len(rows), features.shape[1], eps)


def spectrum_record(
    rankme: float | None, sigma: np.ndarray, n: int, k: int, eps: float
) -> dict[str, Any]:
    return {"rankme": rankme, "n": n, "k": k, "eps": eps, "singular_values": sigma.tolist()}


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    features = load_features(arguments.features)
    split = features.splits[SPLIT]
    rows = subset(len(split.labels), arguments.samples)
    spectra = {tap: measure(getattr(split, tap), rows, arguments.eps) for tap in TAPS}
    record = {
        "artefact": "RANK",
        "dataset": features.dataset,
        "dataset_digest": features.dataset_digest,
        "encoder_sha256": features.encoder_sha256,
        "split": SPLIT,
        "transform": "evaluation: no augmentation, normalised as in training",
        "mode": "eval",
        **spectra,
        "provenance": provenance(SUBSET_SEED, "cpu", perf_counter() - start),
    }
    save_record(arguments.output, record)


if __name__ == "__main__":
    cli.run(main)
