"""The container: what runs in it, and what it is built from. Apptainer itself is a stand-in."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Notes how it was called and runs the command outside of any container.
STAND_IN = """#!/bin/bash
echo "$@" >> {calls}
[[ $1 == --version ]] && {{ echo apptainer version 1.3.0; exit; }}
while [[ $1 != *.sif ]]; do shift; done
shift
exec "$@"
"""


def test_programs_run_in_the_image_when_asked_to(fresh, tmp_path, monkeypatch) -> None:
    calls, programs = tmp_path / "calls", tmp_path / "bin"
    programs.mkdir()
    (programs / "apptainer").write_text(STAND_IN.format(calls=calls))
    (programs / "apptainer").chmod(0o755)
    (fresh.path / "envs/rankme.sif").touch()
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    fresh.configure(lambda config: config.update(targets=[]))
    fresh.snakemake("--until", "prepare_dataset", "--software-deployment-method", "apptainer")
    (call,) = [line for line in calls.read_text().splitlines() if line.startswith("exec ")]
    assert re.search(r"envs/rankme\.sif bash -c .* python scripts/prepare_dataset\.py", call)


def test_the_image_holds_the_pinned_versions_and_nothing_else() -> None:
    text = (ROOT / "envs/apptainer.def").read_text()
    copied = re.findall(r"^    (\S+) (/opt/\S+)$", text, re.MULTILINE)
    installed = re.findall(r"--require-hashes --requirement (\S+)", text)
    assert all((ROOT / source).is_file() for source, _ in copied)
    assert sorted(installed) == sorted(target for _, target in copied)
    assert text.count(" install ") == len(installed) + 1  # and git
    conda = (ROOT / "envs/environment.yaml").read_text()
    assert re.search(r"From: python:(3\.\d+)", text)[1] == re.search(r"python =(3\.\d+)", conda)[1]
