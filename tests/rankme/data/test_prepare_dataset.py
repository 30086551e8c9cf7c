import subprocess
import sys
from pathlib import Path

from rankme.data.dataset import load_dataset
from rankme.plugins import LIBRARY

PROGRAM = LIBRARY.parent / "prepare_dataset.py"
TINY = "tiny: {reader: shapes, size: 8, options: {train_count: 20, test_count: 10}}\n"


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_own_and_built_in_datasets_are_written_to_the_results(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TINY)
    for arguments, count in (
        (["--name", "tiny", "--datasets", "mine.yaml"], 20),
        (["--name", "digits"], 1258),
    ):
        done = run(*arguments, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        dataset = load_dataset(tmp_path / "results" / "datasets" / arguments[1])
        assert len(dataset.splits["train"].images) == count


def test_a_users_mistake_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run("--name", "cifar", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "--name: 'cifar' is not declared in " in done.stderr
    assert "did you mean 'cifar10'? Allowed: shapes, textures" in done.stderr
    assert done.stderr.count("\n") == 1
