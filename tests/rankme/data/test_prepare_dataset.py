import subprocess
import sys
from pathlib import Path

from rankme.cli import ROOT
from rankme.data.dataset import load_dataset

PROGRAM = ROOT / "scripts" / "prepare_dataset.py"


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_name_alone_is_looked_up_and_written_to_the_results(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    options = "{train_count: 20, test_count: 10}"
    text = f"tiny: {{reader: shapes, size: 8, options: {options}}}\n"
    (tmp_path / "config" / "datasets.yaml").write_text(text)
    done = run("--name", "tiny", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(load_dataset(tmp_path / "results/datasets/tiny").splits["train"].images) == 20


def test_a_users_mistake_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run("--name", "cifar", "--datasets", str(ROOT / "config/datasets.yaml"), folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "--name: 'cifar' is not declared in " in done.stderr
    assert "did you mean 'cifar10'? Allowed: shapes, textures" in done.stderr
    assert done.stderr.count("\n") == 1
