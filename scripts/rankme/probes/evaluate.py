"""Accuracy of a linear head on the test features. Needs numpy alone."""

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from rankme.artefacts import load_arrays, read_metadata
from rankme.errors import UserError
from rankme.features import Features

CONFIDENCE = 0.95
TOP = 5

_ROWS = 1024


def evaluate(features: Features, head_file: Path) -> dict[str, Any]:
    """Accuracy of the head in a FINETUNED_MODEL on the test split, as an ACCURACY record.

    All accuracies are fractions. `chance` is one over the number of classes; `majority`, the share
    of the largest class of the test split, is what a constant answer can reach. A class without
    test images has a top-1 of None.

    Raises:
        UserError: the head is missing or torn, or belongs to another encoder or dataset.
    """
    metadata = read_metadata(head_file, "FINETUNED_MODEL")
    for key in ("encoder_sha256", "dataset_digest"):
        if metadata[key] != getattr(features, key):
            raise UserError(
                f"{head_file}: its {key} is {metadata[key]}, that of the features is "
                f"{getattr(features, key)}; fit the head on these features again"
            )
    test = features.splits["test"]
    ranks = truth_ranks(load_arrays(head_file), test.representation, test.labels)
    counts = np.bincount(test.labels, minlength=len(features.classes))
    hits = np.bincount(test.labels[ranks == 0], minlength=len(features.classes))
    n, correct = len(ranks), int(hits.sum())
    return {
        "artefact": "ACCURACY",
        "dataset": features.dataset,
        "dataset_digest": features.dataset_digest,
        "encoder_sha256": features.encoder_sha256,
        "split": "test",
        "n": n,
        "top1": correct / n,
        "top5": int((ranks < TOP).sum()) / n,
        "interval": wilson_interval(correct, n, CONFIDENCE),
        "confidence": CONFIDENCE,
        "interval_method": "wilson",
        "per_class": _per_class(features.classes, hits, counts),
        "chance": 1 / len(features.classes),
        "majority": int(counts.max()) / n,
        "train_top1": metadata["train_top1"],
        "status": metadata["status"],
        "head": metadata["head"],
    }


def truth_ranks(
    head: Mapping[str, np.ndarray], features: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """How many classes the head places before the true one, int64 (N,); 0 is a correct answer.

    Equal scores go in the order of the classes and a score that is not a number comes last, so a
    head that says nothing answers with the first class.

    Args:
        head: tensors of a FINETUNED_MODEL.
        features: representation (N, D).
        labels: (N,).
    """
    classes = np.arange(len(head["head.bias"]))
    ranks = np.empty(len(labels), np.int64)
    for start in range(0, len(labels), _ROWS):
        rows = slice(start, start + _ROWS)
        scores, truth = _scores(head, features[rows]), np.asarray(labels[rows])[:, None]
        own = np.take_along_axis(scores, truth, axis=1)
        ranks[rows] = ((scores > own) | ((scores == own) & (classes < truth))).sum(axis=1)
    return ranks


def wilson_interval(successes: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a binomial proportion (Wilson 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the bound is the share itself, but for rounding.
    low = centre - half if successes > 0 else 0.0
    high = centre + half if successes < n else 1.0
    return low, high


def _scores(head: Mapping[str, np.ndarray], features: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        standardised = (features - head["features.mean"]) / head["features.std"]
        scores = standardised @ head["head.weight"].T + head["head.bias"]
    return np.where(np.isnan(scores), -np.inf, scores)


def _per_class(classes: list[str], hits: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    return {
        name: {"top1": int(hit) / int(n) if n else None, "n": int(n)}
        for name, hit, n in zip(classes, hits, counts, strict=True)
    }
