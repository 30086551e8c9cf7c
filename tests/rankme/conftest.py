from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rankme.artefacts import save_record

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def write_features(tmp_path: Path) -> Callable[..., Path]:
    """Features as `rankme.extraction.extract_dataset` leaves them, from arrays."""

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
        }
        save_record(folder / "features.json", index | changes)
        return folder

    return write
