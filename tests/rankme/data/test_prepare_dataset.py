import subprocess
import sys
from pathlib import Path

from rankme.data.dataset import load_dataset
from rankme.plugins import LIBRARY

PROGRAM = LIBRARY.parent / "prepare_dataset.py"


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_built_in_dataset_is_written_to_the_results(tmp_path: Path) -> None:
    done = run("--name", "digits", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    dataset = load_dataset(tmp_path / "results" / "datasets" / "digits")
    assert len(dataset.splits["train"].images) == 1258


def test_a_users_mistake_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run("--name", "cifar", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "--name: 'cifar' is not declared in " in done.stderr
    assert "did you mean 'cifar10'? Allowed: shapes, textures" in done.stderr
    assert done.stderr.count("\n") == 1
