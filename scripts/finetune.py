"""Fit the read-outs of a frozen encoder on one dataset, a linear head first of all."""

import argparse
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from rankme import cli
from rankme.artefacts import PretrainedModel, load_encoder, provenance, save_model
from rankme.data.dataset import Split, load_dataset
from rankme.device import choose_device, describe_device
from rankme.errors import UserError
from rankme.features import Features, frozen, load_features
from rankme.probes.fit import Readout, Trial, fit_readouts
from rankme.probes.inputs import AugmentedImages
from rankme.probes.measures import metric_of
from rankme.probes.settings import MAIN, READOUTS, ProbeSettings


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder of features")
    parser.add_argument(
        "--probe",
        type=cli.json_object,
        default={},
        metavar="JSON",
        help="keys of the study's `probe` section; those left out have the schema's defaults",
    )
    augmented = "for the augmented protocol"
    parser.add_argument("--model", type=Path, help=f"a PRETRAINED_MODEL, {augmented}")
    parser.add_argument("--dataset", type=Path, help=f"DATASET of a prepared dataset, {augmented}")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--output", type=cli.output_file, required=True, help="file to write")
    return parser.parse_args()


def fit(
    arguments: argparse.Namespace,
    features: Features,
    settings: ProbeSettings,
    device: torch.device,
) -> dict[str, Readout]:
    """The read-outs, trained on cached features or on the model's on augmented images."""
    train, classes = features.splits["train"], len(features.classes)
    if settings.protocol == "cached":
        return fit_readouts(train, classes, settings, device)
    model, split = source_of(features, arguments.model, arguments.dataset)
    low, high = settings.crop_scale
    with frozen(model):
        inputs = AugmentedImages(model, split, (low, high), settings.seed, device)
        return fit_readouts(train, classes, settings, device, inputs)


def source_of(
    features: Features, model_file: Path | None, manifest: Path | None
) -> tuple[PretrainedModel, Split]:
    """The model and the training images that features were extracted with.

    Raises:
        UserError: one is not given, or is another.
    """
    if model_file is None or manifest is None:
        raise UserError("the augmented protocol needs --model and --dataset; give both")
    model, dataset = load_encoder(model_file), load_dataset(manifest.parent)
    for file, digest, expected in (
        (model_file, model.digest, features.encoder_sha256),
        (manifest, dataset.digest, features.dataset_digest),
    ):
        if digest != expected:
            raise UserError(
                f"{file}: its digest is {digest}, the features were extracted with {expected}; "
                "extract them again"
            )
    return model, dataset.splits["train"]


def describe(name: str, readout: Readout, metric: str) -> dict[str, Any]:
    """A read-out as FINETUNED_MODEL records it; None where there was nothing to select."""
    selected = trial_record(readout.selected, metric) if readout.selected else {}
    return {
        "tap": READOUTS[name],
        "status": readout.status,
        "head": {f"validation_{metric}": None, **selected, "edge_of_grid": readout.edge_of_grid},
        "grid": [trial_record(trial, metric) for trial in readout.trials],
        f"train_{metric}": readout.train_accuracy,
    }


def trial_record(trial: Trial, metric: str) -> dict[str, float]:
    return {**trial.setting, f"validation_{metric}": trial.accuracy}


def tensors(readouts: dict[str, Readout]) -> dict[str, torch.Tensor]:
    """All heads as FINETUNED_MODEL stores them: names other than MAIN stand before the tensor's."""
    return {
        (tensor if name == MAIN else f"{name}.{tensor}"): value
        for name, readout in readouts.items()
        if readout.head
        for tensor, value in readout.head.tensors().items()
    }


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    settings = ProbeSettings(
        **cli.import_workflow("checks").section("probe", arguments.probe, "--probe")
    )
    device = choose_device(arguments.device)
    features = load_features(arguments.features)
    readouts = fit(arguments, features, settings, device)
    metric = metric_of(features.splits["train"].labels)
    described = {name: describe(name, readout, metric) for name, readout in readouts.items()}
    metadata = {
        "artefact": "FINETUNED_MODEL",
        "dataset": features.dataset,
        "dataset_digest": features.dataset_digest,
        "encoder_sha256": features.encoder_sha256,
        "classes": features.classes,
        "metric": metric,
        "probe": asdict(settings),
        **described.pop(MAIN),
        "readouts": described,
        "provenance": provenance(settings.seed, describe_device(device), perf_counter() - start),
    }
    save_model(arguments.output, tensors(readouts), metadata)


if __name__ == "__main__":
    cli.run(main)
