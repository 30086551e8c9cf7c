"""Accuracy of fitted read-outs on the test features. Needs numpy alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rankme.artefacts import load_arrays, read_metadata
from rankme.errors import UserError
from rankme.features import Features
from rankme.probes.apply import head_scores
from rankme.probes.measures import (
    average_precisions,
    bootstrap_interval,
    metric_of,
    truth_ranks,
    wilson_interval,
)
from rankme.probes.neighbours import neighbour_scores

CONFIDENCE = 0.95
INTERVALS = {"top1": "wilson", "map": "bootstrap"}

_MAIN = ""
_ROWS = 1024

Blocks = Iterator[np.ndarray]
"""Scores (n, C) of the test images, block after block."""


def evaluate(features: Features, head_file: Path) -> dict[str, Any]:
    """Accuracy of all read-outs in a FINETUNED_MODEL on the test split, as an ACCURACY record.

    The main read-out stands at the top, the others under "readouts". All accuracies are fractions.
    The measure is named by "metric": "top1", with "top5" beside it, or "map", the mean average
    precision over classes. `chance` is one over the number of classes; `majority`, the share of the
    largest class of the test split, is what a constant answer can reach. Both are the mean share of
    the positives where the metric is "map". A class without test images has no accuracy, None.

    Raises:
        UserError: the head is missing or torn, lacks a key, or belongs to another encoder or
            dataset.
    """
    labels = features.splits["test"].labels
    metric = metric_of(labels)
    metadata, tensors = read_metadata(head_file, "FINETUNED_MODEL"), load_arrays(head_file)
    for key in ("encoder_sha256", "dataset_digest"):
        if metadata[key] != getattr(features, key):
            raise UserError(
                f"{head_file}: its {key} is {metadata[key]}, that of the features is "
                f"{getattr(features, key)}; fit the head on these features again"
            )
    measure = {"top1": _top1_record, "map": _map_record}[metric]
    copied = ("layer", "status", "head", f"train_{metric}")
    readouts = {_MAIN: metadata, **metadata["readouts"]}
    fitted = {name: {key: readout[key] for key in copied} for name, readout in readouts.items()}
    measured = {}
    for name, about in fitted.items():
        scores = _scores(about, _head(name, tensors), features)
        measured[name] = {**measure(scores, labels, features.classes), **about}
    return {
        "artefact": "ACCURACY",
        "dataset": features.dataset,
        "dataset_digest": features.dataset_digest,
        "encoder_sha256": features.encoder_sha256,
        "split": "test",
        "metric": metric,
        "n": len(labels),
        **_baselines(labels, len(features.classes)),
        "confidence": CONFIDENCE,
        "interval_method": INTERVALS[metric],
        **measured.pop(_MAIN),
        "readouts": measured,
    }


def _head(name: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A read-out's tensors in float64, none of nearest neighbours."""
    prefix = f"{name}." if name else ""
    return {
        tensor.removeprefix(prefix): array.astype(np.float64)
        for tensor, array in tensors.items()
        if tensor.startswith(prefix)
    }


def _scores(about: dict[str, Any], head: dict[str, np.ndarray], features: Features) -> Blocks:
    classes, train = len(features.classes), features.splits["train"]
    test = features.splits["test"].layers[about["layer"]]
    for start in range(0, len(test), _ROWS):
        block = test[start : start + _ROWS]
        if about["status"] != "completed":
            yield np.zeros((len(block), classes))
        elif "k" in about["head"]:
            neighbours, ks = train.layers[about["layer"]], [about["head"]["k"]]
            yield from neighbour_scores(block, neighbours, train.labels, classes, ks)
        else:
            yield head_scores(head, block.astype(np.float64))


def _top1_record(blocks: Blocks, labels: np.ndarray, classes: list[str]) -> dict[str, Any]:
    ranks = np.empty(0, np.int64)
    for scores in blocks:
        truth = labels[len(ranks) : len(ranks) + len(scores)]
        ranks = np.append(ranks, truth_ranks(scores, truth))
    counts = np.bincount(labels, minlength=len(classes))
    hits = np.bincount(labels[ranks == 0], minlength=len(classes))
    n, correct = len(ranks), int(hits.sum())
    return {
        "top1": correct / n,
        "top5": int((ranks < 5).sum()) / n,
        "interval": wilson_interval(correct, n, CONFIDENCE),
        "per_class": {
            name: {"top1": int(hit) / int(of) if of else None, "n": int(of)}
            for name, hit, of in zip(classes, hits, counts, strict=True)
        },
    }


def _map_record(blocks: Blocks, labels: np.ndarray, classes: list[str]) -> dict[str, Any]:
    scores = np.concatenate(list(blocks))
    precisions, counts = average_precisions(scores, labels), labels.sum(axis=0, dtype=np.int64)
    return {
        "map": float(np.nanmean(precisions)),
        "interval": bootstrap_interval(scores, labels, CONFIDENCE),
        "per_class": {
            name: {"ap": float(precision) if of else None, "n": int(of)}
            for name, precision, of in zip(classes, precisions, counts, strict=True)
        },
    }


def _baselines(labels: np.ndarray, classes: int) -> dict[str, float]:
    """What random scores (`chance`) and equal ones (`majority`) can be expected to reach."""
    if metric_of(labels) == "map":
        shares = labels.mean(axis=0)
        share = float(shares[shares > 0].mean())
        return {"chance": share, "majority": share}
    return {"chance": 1 / classes, "majority": int(np.bincount(labels).max()) / len(labels)}
