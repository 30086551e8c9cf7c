"""docs/extending.md: its files are put where it says, and a study runs on them."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest

from rankme.artefacts import read_metadata

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/extending.md").read_text()
FILES = re.findall(r"`(scripts/rankme/\S+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)

STUDY = """
source: my-arrays
targets: []
datasets: config/mine.yaml
encoder: {name: convnet, width: 4, kernel: 5}
projector: {widths: [16, 8]}
training: {epochs: 1, batch_size: 20, optimizer: adamw, lr: 0.001, scale_lr: false,
           warmup_epochs: 0, rank_samples: 16, precision: float32}
rank: {samples: 64}
compute: {threads: 1, device: cpu}
methods:
  - name: Mirror
    default: {redundancy: 0.1}
    sweeps: {redundancy: [0.1, 0.2]}
"""


def test_the_page_shows_a_reader_an_encoder_and_a_metric() -> None:
    assert [Path(file).name for file, _ in FILES] == ["npz.py", "convnet.py", "numerical_rank.py"]


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
        for pattern in ("scripts/**/*.py", "workflow/**/*.*", "tests/**/*.py", "Snakefile")
        for file in ROOT.glob(pattern)
        if file.name not in own and file.suffix != ".pyc"
        if re.search("barlow", file.read_text(), re.IGNORECASE)
    ]
    assert others == []


@pytest.mark.parametrize(("file", "code"), FILES, ids=[Path(file).name for file, _ in FILES])
def test_the_pages_code_is_valid(file: str, code: str) -> None:
    assert ast.get_docstring(ast.parse(code))


def test_a_study_runs_on_a_new_method_reader_and_encoder_that_are_files_alone(fresh) -> None:
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
    (declaration,) = re.findall(r"```yaml\n(my-arrays: .*?)```", PAGE, re.DOTALL)
    (fresh.path / "config/mine.yaml").write_text(declaration)
    (fresh.path / "config/config.yaml").write_text(STUDY)
    fresh.snakemake("--until", "pretrain")
    models = [run / "PRETRAINED_MODEL" for run in fresh.runs("Mirror")]
    runs = [read_metadata(model, "PRETRAINED_MODEL")["run"] for model in models]
    assert [run["hyperparameters"]["redundancy"] for run in runs] == [0.1, 0.2]
    assert {(run["encoder"]["name"], run["encoder"]["kernel"]) for run in runs} == {("convnet", 5)}
    assert {run["source"]["reader"] for run in runs} == {"npz"}


def test_a_metric_that_is_a_file_alone_is_measured(fresh) -> None:
    for file, code in FILES:
        (fresh.path / file).write_text(code)
    random = np.random.default_rng(0)
    embeddings = random.standard_normal((300, 5)) @ random.standard_normal((5, 16))
    np.save(fresh.path / "z.npy", embeddings.astype(np.float32))
    printed = fresh.python("scripts/evaluate_rank.py", "--embeddings=z.npy", "--output=RANK").stdout
    (line,) = [line for line in printed.splitlines() if line.startswith("numerical rank")]
    assert float(line.split()[-1]) == np.linalg.matrix_rank(embeddings) == 5
    assert json.loads((fresh.path / "RANK").read_text())["embedding"]["numerical_rank"] == 5
