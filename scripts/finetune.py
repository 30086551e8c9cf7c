"""Fit a linear head on the training features of a frozen encoder."""

import argparse
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from rankme import cli
from rankme.artefacts import provenance, save_model
from rankme.device import choose_device, describe_device
from rankme.features import load_features
from rankme.probes.linear import Heads, Probe, ProbeSettings, Trial, fit_probe


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder of features")
    parser.add_argument("--probe", required=True, help="the study's `probe` section, as JSON")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    return parser.parse_args()


def head_tensors(head: Heads) -> dict[str, torch.Tensor]:
    """The one head as FINETUNED_MODEL stores it."""
    return {
        "head.weight": head.weight[0],
        "head.bias": head.bias[0],
        "features.mean": head.mean,
        "features.std": head.std,
    }


def describe(probe: Probe) -> dict[str, Any]:
    """The selection as FINETUNED_MODEL records it; the values are None where there was none."""
    nothing = dict.fromkeys(("lr", "weight_decay", "validation_top1"))
    selected = trial_record(probe.selected) if probe.selected else nothing
    return {
        "tap": "representation",
        "status": probe.status,
        "head": {**selected, "edge_of_grid": probe.edge_of_grid},
        "grid": [trial_record(trial) for trial in probe.trials],
        "train_top1": probe.train_top1,
    }


def trial_record(trial: Trial) -> dict[str, float]:
    return {**asdict(trial.point), "validation_top1": trial.validation_top1}


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    settings, device = ProbeSettings.from_json(arguments.probe), choose_device(arguments.device)
    features = load_features(arguments.features)
    train = features.splits["train"]
    representation = torch.from_numpy(np.array(train.representation)).to(device)
    labels = torch.from_numpy(np.array(train.labels)).to(device)
    probe = fit_probe(representation, labels, len(features.classes), settings)
    metadata = {
        "artefact": "FINETUNED_MODEL",
        "dataset": features.dataset,
        "dataset_digest": features.dataset_digest,
        "encoder_sha256": features.encoder_sha256,
        "classes": features.classes,
        "probe": asdict(settings),
        **describe(probe),
        "provenance": provenance(settings.seed, describe_device(device), perf_counter() - start),
    }
    save_model(arguments.output, head_tensors(probe.head), metadata)


if __name__ == "__main__":
    cli.run(main)
