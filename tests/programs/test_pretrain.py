"""scripts/pretrain.py: the run that a command line means."""

import json
import sys
from pathlib import Path

import pytest

import pretrain
from rankme.errors import UserError
from rankme.study.datasets import Source, from_json
from rankme.study.runs import runs
from rankme.study.settings import Training

CONFIG = """
source: shapes
targets: []
training: {epochs: 20, warmup_epochs: 5, lr: 0.2}
methods:
  - {name: SimCLR, default: {temperature: 0.3, batch_size: 128}}
  - {name: VICReg}
"""


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The training of the run that these options mean."""
    (tmp_path / "mine.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)

    def settings(*options: str, method: str = "SimCLR") -> Training:
        usual = ("--source=shapes", "--output=MODEL", f"--method={method}")
        monkeypatch.setattr(sys, "argv", ["pretrain.py", *usual, *options])
        (run,) = runs(pretrain.study_by_hand(pretrain.parse_arguments()))
        return run.settings.training

    return settings


def test_by_hand_a_run_has_the_defaults_of_the_study_or_those_of_the_config(training) -> None:
    assert training() == Training()
    assert training("--config=mine.yaml", method="VICReg") == Training(
        epochs=20, warmup_epochs=5, lr=0.2
    )
    mine = training("--config=mine.yaml", "--set=lr=1e-3")
    assert (mine.lr, mine.batch_size, mine.epochs) == (0.001, 128, 20)


@pytest.mark.parametrize(
    ("options", "epochs", "warmup"),
    [
        (["--epochs=1"], 1, 0.1),
        (["--epochs=10"], 10, 10),
        (["--epochs=2", "--config=mine.yaml"], 2, 0.2),
        (["--epochs=5", "--config=mine.yaml"], 5, 5),
        (["--epochs=1", "--set=warmup_epochs=1"], 1, 1),
    ],
)
def test_a_usual_warm_up_longer_than_the_epochs_by_hand_is_a_tenth_of_them(
    training, options: list[str], epochs: int, warmup: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    found = training(*options)
    assert (found.epochs, found.warmup_epochs) == (epochs, warmup)
    said = [r.getMessage() for r in caplog.records if "warm-up" in r.getMessage()]
    assert len(said) == (warmup == epochs / 10)


def test_a_warm_up_that_was_asked_for_is_refused_where_it_is_longer(training) -> None:
    with pytest.raises(UserError, match=r"warmup_epochs: 3.*is more than the 1 epochs"):
        training("--epochs=1", "--set=warmup_epochs=3")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("temperature", "--set: 'temperature' is not KEY=VALUE, such as temperature=0.2"),
        ("temprature=0.2", "temprature: unknown key, did you mean 'temperature'"),
        ("temperature=[0.2", "temperature: '[0.2' is not of type number"),
    ],
)
def test_a_wrong_setting_is_named(training, pair: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        training(f"--set={pair}")
    assert message in str(refused.value)


SOURCE = {"name": "mine", "reader": "shapes", "size": 16, "options": {"train_count": 64}}


@pytest.mark.parametrize(
    ("changed", "key"),
    [({"name": "other"}, "name"), ({"size": 32}, "size"), ({"options": {}}, "options")],
)
def test_a_dataset_that_is_not_the_source_is_refused(tmp_path, changed: dict, key: str) -> None:
    stored = SOURCE | changed
    record = {"name": stored.pop("name"), "declaration": stored | {"metric": "top1"}}
    (tmp_path / "DATASET").write_text(json.dumps(record))
    with pytest.raises(UserError, match=f"DATASET: its {key} is not that of the source 'mine'"):
        pretrain.require_source(from_json(Source, SOURCE, "source"), tmp_path)
