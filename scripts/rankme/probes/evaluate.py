"""Accuracy of fitted read-outs on the test features. Needs numpy alone."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rankme.artefacts import load_arrays, read_metadata
from rankme.errors import UserError
from rankme.features import Features
from rankme.probes.measures import (
    average_precisions,
    bootstrap_interval,
    metric_of,
    truth_ranks,
    wilson_interval,
)
from rankme.probes.neighbours import neighbour_scores
from rankme.probes.settings import MAIN

CONFIDENCE = 0.95
TOP = 5
INTERVALS = {"top1": "wilson", "map": "bootstrap"}

_ROWS = 1024


def evaluate(features: Features, head_file: Path) -> dict[str, Any]:
    """Accuracy of all read-outs in a FINETUNED_MODEL on the test split, as an ACCURACY record.

    The main read-out stands at the top, the others under "readouts". All accuracies are fractions.
    The measure is named by "metric": "top1", with "top5" beside it, or "map", the mean average
    precision over classes. `chance` is one over the number of classes; `majority`, the share of the
    largest class of the test split, is what a constant answer can reach. Both are the mean share of
    the positives where the metric is "map". A class without test images has no accuracy, None.

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
    readouts, tensors = {MAIN: metadata, **metadata["readouts"]}, load_arrays(head_file)
    measured = {
        name: _measure(_scores(name, readout, tensors, features), readout, features)
        for name, readout in readouts.items()
    }
    labels = features.splits["test"].labels
    metric = metric_of(labels)
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
        **measured.pop(MAIN),
        "readouts": measured,
    }


def head_scores(head: Mapping[str, np.ndarray], features: np.ndarray) -> np.ndarray:
    """Scores float64 (N, C) of a linear head or an MLP on features (N, D).

    In float64, so that torch and numpy, whose sums differ in their last bits, give one answer.

    Args:
        head: tensors named as by `rankme.probes.heads.Heads.tensors`.
        features: float32 (N, D).
    """
    hidden = sorted({name.rpartition(".")[0] for name in head if name.startswith("hidden.")})
    with np.errstate(invalid="ignore", over="ignore"):
        scores = (features.astype(np.float64) - head["features.mean"]) / head["features.std"]
        for layer in hidden:
            scores = np.maximum(_linear(head, layer, scores), 0)
        return _linear(head, "head", scores)


def _linear(head: Mapping[str, np.ndarray], layer: str, inputs: np.ndarray) -> np.ndarray:
    result: np.ndarray = inputs @ head[f"{layer}.weight"].T + head[f"{layer}.bias"]
    return result


def _scores(
    name: str, readout: Mapping[str, Any], tensors: Mapping[str, np.ndarray], features: Features
) -> Iterator[np.ndarray]:
    """Scores of the test images from one read-out, block after block."""
    tap, classes = readout["tap"], len(features.classes)
    test, train = getattr(features.splits["test"], tap), features.splits["train"]
    prefix = "" if name == MAIN else f"{name}."
    head = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    for start in range(0, len(test), _ROWS):
        block = test[start : start + _ROWS]
        if readout["status"] != "completed":
            yield np.zeros((len(block), classes))
        elif name == "knn":
            ks, labels = [readout["head"]["k"]], train.labels
            yield from neighbour_scores(block, getattr(train, tap), labels, classes, ks)
        else:
            yield head_scores(head, block)


def _measure(
    blocks: Iterator[np.ndarray], readout: Mapping[str, Any], features: Features
) -> dict[str, Any]:
    """How well scores agree with the test labels, beside what is known of the read-out."""
    labels, metric = features.splits["test"].labels, metric_of(features.splits["test"].labels)
    records = {"top1": _top1_record, "map": _map_record}
    copied = ("tap", "status", "head", f"train_{metric}")
    about = {key: readout[key] for key in copied}
    return {**records[metric](blocks, labels, features.classes), **about}


def _top1_record(
    blocks: Iterator[np.ndarray], labels: np.ndarray, classes: list[str]
) -> dict[str, Any]:
    ranks = np.empty(len(labels), np.int64)
    done = 0
    for scores in blocks:
        rows = slice(done, done + len(scores))
        ranks[rows], done = truth_ranks(scores, labels[rows]), rows.stop
    counts = np.bincount(labels, minlength=len(classes))
    hits = np.bincount(labels[ranks == 0], minlength=len(classes))
    n, correct = len(ranks), int(hits.sum())
    return {
        "top1": correct / n,
        "top5": int((ranks < TOP).sum()) / n,
        "interval": wilson_interval(correct, n, CONFIDENCE),
        "per_class": {
            name: {"top1": int(hit) / int(of) if of else None, "n": int(of)}
            for name, hit, of in zip(classes, hits, counts, strict=True)
        },
    }


def _map_record(
    blocks: Iterator[np.ndarray], labels: np.ndarray, classes: list[str]
) -> dict[str, Any]:
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
