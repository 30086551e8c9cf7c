"""One tiny encoder and dataset, and the programs that evaluate the one on the other."""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rankme.artefacts import read_record, save_model, weights_digest
from rankme.files import write_json
from rankme.models import Projector, build_encoder
from rankme.study.settings import EncoderSettings

CLASSES, SIZE, WIDTHS = 3, 16, [12, 6]
ENCODER = {"name": "resnet10", "width": 8, "stem": "stride2"}
RUN = {
    "method": "SimCLR",
    "hyperparameters": {},
    "training": {},
    "source": {"name": "levels", "reader": "digits", "size": SIZE},
    "encoder": ENCODER,
    "projector": {"widths": WIDTHS},
    "augmentation": {"recipe": "byol", "crop_scale": [0.2, 1.0]},
    "seed": 0,
}
GRID = {"lr": [0.01, 0.1], "weight_decay": [0.0, 5e-4], "knn_k": [1, 5]}
SCHEDULE = {"epochs": 6, "batch_size": 16, "milestones": [3, 5]}
PROBE = {**GRID, **SCHEDULE, "validation_fraction": 0.25, "mlp_width": 8, "crop_scale": [0.5, 1.0]}


@dataclass(frozen=True)
class Tiny:
    """A folder, a PRETRAINED_MODEL and a DATASET."""

    path: Path
    model: Path
    dataset: Path
    patch: pytest.MonkeyPatch

    def run(self, program: str, **options: object) -> None:
        """Run a program of scripts/; an option that is [] is a flag."""
        words = [program]
        for name, value in options.items():
            values = value if isinstance(value, list) else [value]
            words += [f"--{name}", *map(str, values)]
        self.patch.setattr("sys.argv", words)
        import_module(program).main()

    def evaluate(self, program: str, **options: object) -> None:
        """Run a program that takes the model and the dataset."""
        self.run(program, model=self.model, dataset=self.dataset, device="cpu", **options)

    def finetune(self, output: str = "HEAD", protocol: str = "cached", **options: object) -> Path:
        """FINETUNED_MODEL."""
        probe = json.dumps(PROBE | {"protocol": protocol})
        self.evaluate("finetune", probe=probe, output=self.path / output, **options)
        return self.path / output

    def measure(self, folder: str = ".", protocol: str = "cached") -> tuple[Path, Any]:
        """FINETUNED_MODEL, and the ACCURACY record."""
        features, accuracy = (self.path / folder / name for name in ("FEATURES", "ACCURACY"))
        head = self.finetune(f"{folder}/FINETUNED_MODEL", protocol, features=features)
        self.run("evaluate_accuracy", features=features, head=head, output=accuracy)
        return head, read_record(accuracy, "ACCURACY")

    def rank(self, **options: object) -> Any:
        """The RANK record; nothing else is left beside it."""
        output = self.path / "ranks/RANK"
        self.evaluate("evaluate_rank", output=output, **options)
        assert list(output.parent.iterdir()) == [output]
        return read_record(output, "RANK")

    def merge(self, model: Path, rank: Path) -> Any:
        """The RANKME_EVAL record."""
        output = self.path / "RANKME_EVAL"
        self.run("merge_ranks", model=model, ranks=[rank], output=output)
        return read_record(output, "RANKME_EVAL")


def write_dataset(folder: Path, metric: str = "top1") -> Path:
    """Classes told apart by their brightness, with noise; for "map", "bright" is "grey" as well."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, count in (("train", 120), ("test", 45)):
        labels = np.arange(count) % CLASSES
        matrix = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]], np.uint8)[labels]
        levels = 60 + 60 * labels[:, None, None, None]
        images = generator.normal(levels, 30, (count, SIZE, SIZE, 3)).clip(0, 255)
        np.save(folder / f"{name}_images.npy", images.astype(np.uint8))
        np.save(folder / f"{name}_labels.npy", matrix if metric == "map" else labels)
    record = {
        "artefact": "DATASET",
        "format": 1,
        "name": "levels",
        "image_size": SIZE,
        "classes": ["dark", "grey", "bright"],
        "declaration": {"metric": metric},
        "splits": {"train": {"count": 120}, "test": {"count": 45}},
        "digest": "d0",
        "normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3},
    }
    write_json(folder / "DATASET", record)
    return folder / "DATASET"


def write_model(path: Path, status: str = "completed", scale: float = 1.0) -> Path:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderSettings(**ENCODER), SIZE)
    parts = {"encoder": encoder, "projector": Projector(encoder.dimension, WIDTHS)}
    tensors = nn.ModuleDict(parts).state_dict()
    tensors = {n: t * scale if t.is_floating_point() else t for n, t in tensors.items()}
    metadata = {
        "artefact": "PRETRAINED_MODEL",
        "run": RUN,
        "status": status,
        "image_size": SIZE,
        "normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3},
        "weights_sha256": weights_digest(tensors),
    }
    save_model(path, tensors, metadata)
    return path
