"""Fit the read-outs of a frozen encoder on one dataset, a linear head first of all.

One forward pass makes the features of all images: heads are trained on those of the training split,
unless the protocol is augmented, and `evaluate_accuracy.py` reads those of the test split.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from rankme import cli
from rankme.artefacts import provenance, save_model
from rankme.data.dataset import Dataset, load_dataset
from rankme.device import choose_device, describe_device
from rankme.extraction import extract_dataset, frozen, temporary_folder
from rankme.features import load_features
from rankme.models.pretrained import PretrainedModel, load_encoder
from rankme.probes.fit import Readout, Trial, fit_readouts
from rankme.probes.inputs import AugmentedImages
from rankme.study.identity import revived
from rankme.study.settings import MAIN_READOUT, READOUTS, Probe


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a PRETRAINED_MODEL")
    parser.add_argument("--dataset", type=Path, required=True, help="DATASET of a prepared dataset")
    parser.add_argument(
        "--probe",
        type=cli.json_object,
        default={},
        metavar="JSON",
        help="keys of the study's `probe` section; those left out have the defaults",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--features", type=Path, help="folder to leave the features in")
    parser.add_argument("--output", type=cli.output_file, required=True, help="file to write")
    return parser.parse_args()


def fit(
    model: PretrainedModel, dataset: Dataset, settings: Probe, device: torch.device, folder: Path
) -> dict[str, Readout]:
    """The read-outs; the features of all images are left in the folder."""
    extract_dataset(model, dataset, folder, device)
    train, classes = load_features(folder).splits["train"], len(dataset.classes)
    if settings.protocol == "cached":
        return fit_readouts(train, classes, settings, device)
    with frozen(model, device):
        images = dataset.splits["train"]
        inputs = AugmentedImages(model, images, settings.crop_scale, settings.seed, device)
        return fit_readouts(train, classes, settings, device, inputs)


def describe(name: str, readout: Readout, metric: str) -> dict[str, Any]:
    """A read-out as FINETUNED_MODEL records it; None where there was nothing to select."""
    selected = trial_record(readout.selected, metric) if readout.selected else {}
    return {
        "layer": READOUTS[name],
        "status": readout.status,
        "head": {f"validation_{metric}": None, **selected, "edge_of_grid": readout.edge_of_grid},
        "grid": [trial_record(trial, metric) for trial in readout.trials],
        f"train_{metric}": readout.train_accuracy,
    }


def trial_record(trial: Trial, metric: str) -> dict[str, float]:
    return {**trial.setting, f"validation_{metric}": trial.accuracy}


def tensors(readouts: dict[str, Readout]) -> dict[str, torch.Tensor]:
    """All heads as FINETUNED_MODEL stores them: a name stands before its tensors', but the main."""
    return {
        (tensor if name == MAIN_READOUT else f"{name}.{tensor}"): value
        for name, readout in readouts.items()
        if readout.head
        for tensor, value in readout.head.tensors().items()
    }


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    settings = revived(Probe, arguments.probe, "--probe")
    device, model = choose_device(arguments.device), load_encoder(arguments.model)
    dataset = load_dataset(arguments.dataset.parent)
    given = arguments.features
    with nullcontext(given) if given else temporary_folder(arguments.output.parent) as folder:
        readouts = fit(model, dataset, settings, device, folder)
    metric = dataset.metric
    described = {name: describe(name, readout, metric) for name, readout in readouts.items()}
    metadata = {
        "artefact": "FINETUNED_MODEL",
        "dataset": dataset.name,
        "dataset_digest": dataset.digest,
        "encoder_sha256": model.digest,
        "classes": dataset.classes,
        "metric": metric,
        "probe": settings.model_dump(mode="json"),
        **described.pop(MAIN_READOUT),
        "readouts": described,
        "provenance": provenance(settings.seed, describe_device(device), perf_counter() - start),
    }
    save_model(arguments.output, tensors(readouts), metadata)


if __name__ == "__main__":
    cli.run(main)
