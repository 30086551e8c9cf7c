"""Features as `rankme.features.extract` writes them, from arrays, and settings of a short probe."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rankme.artefacts import save_record
from rankme.probes.settings import ProbeSettings

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def write_features(tmp_path: Path) -> Callable[..., Path]:
    def write(train: Arrays, test: Arrays, classes: int, **changes: str) -> Path:
        folder = tmp_path / "FEATURES"
        folder.mkdir(exist_ok=True)
        for name, (representation, labels) in {"train": train, "test": test}.items():
            np.save(folder / f"{name}_representation.npy", representation.astype(np.float32))
            np.save(folder / f"{name}_embedding.npy", representation[:, :2].astype(np.float32))
            np.save(folder / f"{name}_labels.npy", labels)
        index = {
            "artefact": "FEATURES",
            "dataset": "blobs",
            "dataset_digest": "d0",
            "encoder_sha256": "e0",
            "classes": [f"class {label}" for label in range(classes)],
            "splits": {"train": len(train[1]), "test": len(test[1])},
            "status": "completed",
        }
        save_record(folder / "features.json", index | changes)
        return folder

    return write


@pytest.fixture
def short() -> ProbeSettings:
    return ProbeSettings(
        protocol="cached",
        readouts=["linear"],
        epochs=4,
        batch_size=32,
        lr=[0.01, 0.03, 0.1, 0.3],
        weight_decay=[0.0, 5e-4, 5e-3],
        milestones=[2, 3],
        validation_fraction=0.2,
        seed=0,
        knn_k=[1, 5, 20],
        mlp_width=16,
        crop_scale=[0.08, 1.0],
    )
