"""scripts/launch.py: how many processes are started, and with what."""

import json
import os
import subprocess
import sys
from pathlib import Path

LAUNCH = Path(__file__).resolve().parents[2] / "scripts" / "launch.py"

# What a program that is started tells of itself.
TELL = """
import json, os, signal, sys
told = {
    "arguments": sys.argv[1:],
    "threads": os.environ.get("OMP_NUM_THREADS"),
    "rank": os.environ.get("RANK"),
    "deaf": signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN,
}
with open(sys.argv[1] + (told["rank"] or ""), "w") as file:
    json.dump(told, file)
"""


def launch(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = folder / "tell.py"
    program.write_text(TELL)
    usual = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "OMP"))}
    return subprocess.run(
        [sys.executable, LAUNCH, *arguments, program, folder / "told", "--run", "b c"],
        env=usual | environment,
        capture_output=True,
        text=True,
    )


def test_one_process_is_the_program_itself_with_all_threads(tmp_path) -> None:
    done = launch(tmp_path, OMP_NUM_THREADS="6")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told").read_text())
    assert told["arguments"] == [str(tmp_path / "told"), "--run", "b c"]
    assert (told["threads"], told["rank"], told["deaf"]) == ("6", None, True)


def test_several_processes_share_the_threads(tmp_path) -> None:
    done = launch(tmp_path, "--processes=2", OMP_NUM_THREADS="6")
    assert done.returncode == 0, done.stderr
    told = [json.loads((tmp_path / f"told{rank}").read_text()) for rank in (0, 1)]
    assert [t["threads"] for t in told] == ["3", "3"]
    assert all(t["deaf"] for t in told)
    assert told[0]["arguments"][1:] == ["--run", "b c"]


def test_the_exit_code_is_that_of_the_program(tmp_path) -> None:
    (tmp_path / "stops.py").write_text("raise SystemExit(75)")
    done = subprocess.run([sys.executable, LAUNCH, tmp_path / "stops.py"])
    assert done.returncode == 75


def test_several_nodes_outside_a_slurm_job_are_a_mistake_that_says_what_to_do(tmp_path) -> None:
    done = launch(tmp_path, "--nodes=2")
    assert done.returncode == 1
    assert done.stderr == (
        "error: compute.nodes: 2 nodes are joined inside a job of Slurm only; "
        "run with --profile slurm, or set compute.nodes to 1\n"
    )
