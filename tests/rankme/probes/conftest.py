from pathlib import Path

import pytest

from rankme.study.settings import Probe
from tests.rankme.probes.tiny import Tiny, write_dataset, write_model


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    model, dataset = write_model(tmp_path / "MODEL"), write_dataset(tmp_path / "levels")
    return Tiny(tmp_path, model, dataset, monkeypatch)


@pytest.fixture
def short() -> Probe:
    """Settings of a short probe."""
    return Probe(
        readouts=("linear",),
        epochs=4,
        batch_size=32,
        lr=(0.01, 0.03, 0.1, 0.3),
        weight_decay=(0.0, 5e-4, 5e-3),
        milestones=(2, 3),
        knn_k=(1, 5, 20),
        mlp_width=16,
    )
