from pathlib import Path

import pytest

from tests.rankme.probes.tiny import Tiny, write_dataset, write_model


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    model, dataset = write_model(tmp_path / "MODEL"), write_dataset(tmp_path / "levels")
    return Tiny(tmp_path, model, dataset, monkeypatch)
