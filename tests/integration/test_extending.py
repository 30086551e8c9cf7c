"""docs/extending.md: its files are put where it says, and a study runs on them."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rankme.artefacts import read_metadata
from tests.integration.conftest import ROOT

PAGE = (ROOT / "docs/extending.md").read_text()
FILES = re.findall(r"`(scripts/rankme/\S+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
(DATASET,) = re.findall(r"```yaml\n(datasets:\n.*?)```", PAGE, re.DOTALL)

STUDY = f"""
source: my-arrays
targets: []
{DATASET}
encoder: {{name: convnet, width: 4, kernel: 5}}
projector: {{widths: [16, 8]}}
augmentation: {{recipe: moco}}
training: {{epochs: 2, batch_size: 20, optimizer: adamw, lr: 0.001, scale_lr: false,
           warmup_epochs: 0, rank_samples: 16, precision: float32}}
rank: {{samples: 60, lidar_images: 12, lidar_views: 3}}
probe: {{epochs: 2, milestones: [1], lr: [0.1], weight_decay: [0], readouts: [linear]}}
compute: {{threads: 1, device: cpu}}
tracking: {{enabled: false}}
methods:
  - name: Mirror
    default: {{redundancy: 0.1}}
"""


def test_the_page_shows_one_of_each_kind_but_the_method_which_is_there() -> None:
    names = ["npz", "moco", "convnet", "numerical_rank", "learning_rate"]
    assert [Path(file).stem for file, _ in FILES] == names


def test_the_pages_summary_of_the_example_is_that_of_its_files() -> None:
    method = ROOT / "scripts/rankme/methods/barlow_twins.py"
    test = ROOT / "tests/rankme/methods/test_barlow_twins.py"
    for file in (method, test):
        lines = len(file.read_text().splitlines())
        assert re.search(rf"{re.escape(str(file.relative_to(ROOT)))} +\| +{lines} \+", PAGE)


def test_nothing_else_in_the_project_names_the_example_method() -> None:
    own = {"barlow_twins.py", "test_barlow_twins.py", Path(__file__).name}
    others = [
        file
        for pattern in ("scripts/**/*.py", "workflow/**/*.smk", "tests/**/*.py", "*file")
        for file in ROOT.glob(pattern)
        if file.name not in own and file.suffix != ".pyc"
        if re.search("barlow", file.read_text(), re.IGNORECASE)
    ]
    assert others == []


@pytest.mark.parametrize(("file", "code"), FILES, ids=[Path(file).name for file, _ in FILES])
def test_the_pages_code_is_valid(file: str, code: str) -> None:
    assert ast.get_docstring(ast.parse(code))


@pytest.fixture
def extended(fresh):
    """The project with a plug-in of each kind, each one file, and a study of them."""
    for file, code in FILES:
        (fresh.path / file).write_text(code)
    method = (ROOT / "scripts/rankme/methods/barlow_twins.py").read_text()
    mirror = method.replace('NAME = "BarlowTwins"', 'NAME = "Mirror"')
    (fresh.path / "scripts/rankme/methods/mirror.py").write_text(mirror)
    random = np.random.default_rng(0)
    (fresh.path / "arrays").mkdir()
    for split, count in (("train", 60), ("test", 30)):
        images = random.integers(0, 255, (count, 20, 20, 3), dtype=np.uint8)
        labels = np.arange(count, dtype=np.int64) % 3
        np.savez(fresh.path / "arrays" / f"{split}.npz", images=images, labels=labels)
    (fresh.path / "config/config.yaml").write_text(STUDY)
    return fresh


def test_a_study_runs_on_plug_ins_that_are_files_alone(extended) -> None:
    extended.run()
    (folder,) = extended.runs("Mirror")
    run = read_metadata(folder / "PRETRAINED_MODEL", "PRETRAINED_MODEL")["run"]
    assert run["hyperparameters"] == {"redundancy": 0.1}
    assert run["encoder"] | {"name": "convnet", "kernel": 5} == run["encoder"]
    assert run["augmentation"]["recipe"] == "moco"
    assert run["source"]["reader"] == "npz"
    tables = extended.path / "results/tables"
    assert pd.read_csv(tables / "results.csv")["numerical_rank"].between(1, 8).all()
    assert "numerical_rank" in set(pd.read_csv(tables / "selection.csv")["metric"])
    for name in ("rank_vs_acc", "learning_rate"):
        figure = extended.path / f"results/plots/{name}.pdf"
        assert figure.read_bytes().startswith(b"%PDF")
    extended.snakemake("--report", "results/report.html")
    assert "learning rate while training" in (extended.path / "results/report.html").read_text()


def test_a_metric_that_is_a_file_alone_is_measured_by_hand(extended) -> None:
    random = np.random.default_rng(0)
    embeddings = random.standard_normal((300, 5)) @ random.standard_normal((5, 16))
    np.save(extended.path / "z.npy", embeddings.astype(np.float32))
    measure = ("scripts/evaluate_rank.py", "--embeddings=z.npy", "--output=RANK")
    printed = extended.python(*measure).stdout
    (line,) = [line for line in printed.splitlines() if line.startswith("numerical rank")]
    assert float(line.split()[-1]) == np.linalg.matrix_rank(embeddings) == 5
    assert json.loads((extended.path / "RANK").read_text())["embedding"]["numerical_rank"] == 5
