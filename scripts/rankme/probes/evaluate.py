"""Accuracy of fitted read-outs on the test features. Needs numpy alone."""

from collections.abc import Iterator
from dataclasses import dataclass
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
TOP = 5
INTERVALS = {"top1": "wilson", "map": "bootstrap"}

_MAIN = ""
_ROWS = 1024


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
    fitted = _fitted_readouts(head_file, features, metric)
    measure = {"top1": _top1_record, "map": _map_record}[metric]
    measured = {
        name: {**measure(_scores(readout, features), labels, features.classes), **readout.about}
        for name, readout in fitted.items()
    }
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


@dataclass(frozen=True)
class _Fitted:
    """A read-out: what ACCURACY repeats of it, and its tensors in float64, none of neighbours."""

    about: dict[str, Any]
    head: dict[str, np.ndarray]


def _fitted_readouts(file: Path, features: Features, metric: str) -> dict[str, _Fitted]:
    metadata, tensors = read_metadata(file, "FINETUNED_MODEL"), load_arrays(file)
    copied = ("layer", "status", "head", f"train_{metric}")
    try:
        for key in ("encoder_sha256", "dataset_digest"):
            if metadata[key] != getattr(features, key):
                raise UserError(
                    f"{file}: its {key} is {metadata[key]}, that of the features is "
                    f"{getattr(features, key)}; fit the head on these features again"
                )
        return {
            name: _Fitted({key: readout[key] for key in copied}, _tensors_of(name, tensors))
            for name, readout in {_MAIN: metadata, **metadata["readouts"]}.items()
        }
    except KeyError as error:
        raise UserError(
            f"{file}: lacks the key {error}; delete it and run snakemake again to remake it"
        ) from error


def _tensors_of(name: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    prefix = f"{name}." if name else ""
    return {
        tensor.removeprefix(prefix): array.astype(np.float64)
        for tensor, array in tensors.items()
        if tensor.startswith(prefix)
    }


def _scores(readout: _Fitted, features: Features) -> Iterator[np.ndarray]:
    """Scores of the test images from one read-out, block after block."""
    about, classes, train = readout.about, len(features.classes), features.splits["train"]
    test = features.splits["test"].layers[about["layer"]]
    for start in range(0, len(test), _ROWS):
        block = test[start : start + _ROWS]
        if about["status"] != "completed":
            yield np.zeros((len(block), classes))
        elif "k" in about["head"]:
            neighbours, ks = train.layers[about["layer"]], [about["head"]["k"]]
            yield from neighbour_scores(block, neighbours, train.labels, classes, ks)
        else:
            yield head_scores(readout.head, block.astype(np.float64))


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
