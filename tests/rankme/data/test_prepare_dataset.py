import subprocess
import sys
from pathlib import Path

from rankme.data.dataset import load_dataset
from rankme.files import read_json
from rankme.plugins import LIBRARY
from rankme.study.datasets import declare, other_pixels
from rankme.study.identity import canonical

PROGRAM = LIBRARY.parent / "prepare_dataset.py"


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_built_in_dataset_is_written_to_the_results(tmp_path: Path) -> None:
    done = run("--name", "digits", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    dataset = load_dataset(tmp_path / "results" / "datasets" / "digits")
    assert len(dataset.splits["train"].images) == 1258


def test_a_declaration_is_read_as_the_workflow_hands_it_over(tmp_path: Path) -> None:
    given = {"reader": "shapes", "size": 8, "options": {"train_count": 20, "test_count": 10}}
    tiny = declare("tiny", given)
    done = run("--name", "tiny", "--declaration", canonical(tiny), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    stored = read_json(tmp_path / "results/datasets/tiny/DATASET")["declaration"]
    assert other_pixels(stored, tiny) == []
    done = run("--name", "tiny", "--declaration", '{"reader": "shapes"}', folder=tmp_path)
    assert done.stderr.startswith("error: --declaration.size: missing; give it a value")


def test_a_users_mistake_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run("--name", "cifar", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "--name: 'cifar' is not declared in " in done.stderr
    assert "did you mean 'cifar10'? Allowed: shapes, textures" in done.stderr
    assert done.stderr.count("\n") == 1
