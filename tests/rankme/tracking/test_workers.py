"""Many runs are sent by several processes, which leave what one leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from rankme.errors import UserError
from rankme.tracking import publishing
from tests.rankme.tracking.conftest import Server, wait_until
from tests.rankme.tracking.studies import runs_of, write_study
from tests.rankme.tracking.test_publishing import (
    ROOT,
    publish,
    stored,
    table_from_files,
    table_from_store,
)

COUNT = 24

PROGRAM = """
import sys
from pathlib import Path
from rankme.tracking import publishing
from tests.rankme.tracking.test_publishing import publish
publishing._RUNS_A_WORKER = 2
publish(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), workers=2)
"""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of so many runs that they are shared."""
    monkeypatch.setattr(publishing, "_RUNS_A_WORKER", 2)
    write_study(tmp_path / "results", runs_of(COUNT))
    return tmp_path / "results"


def test_two_processes_leave_in_sqlite_what_one_leaves(results: Path, tmp_path: Path) -> None:
    one, two = (f"sqlite:///{tmp_path}/{name}/mlflow.db" for name in ("one", "two"))
    assert publish(results, one, COUNT) == {"created": COUNT + 1}
    assert publish(results, two, COUNT, workers=2) == {"created": COUNT + 1}
    assert publish(results, two, COUNT, workers=2) == {"unchanged": COUNT + 1}
    expected, found = stored(one), stored(two)
    assert found.keys() == expected.keys()
    for name, run in found.items():
        assert run.data.metrics == expected[name].data.metrics
        assert run.data.params == expected[name].data.params
    files = table_from_files(results, tmp_path / "files.csv", COUNT)
    assert table_from_store(two, tmp_path / "store.csv") == files


def test_two_processes_send_each_run_once_to_a_server(results: Path, running: Server) -> None:
    created = publish(results, running.uri, COUNT, workers=2, study="shared")
    assert created == {"created": COUNT + 1}
    assert len(stored(running.uri, "shared")) == COUNT + 1


def test_a_file_that_one_of_the_processes_cannot_read_is_named(
    results: Path, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    broken = results / "all_results/SimCLR" / runs_of(COUNT)[-1].name / "TRAINING_LOG"
    whole = broken.read_text()
    broken.write_text("{")
    with pytest.raises(UserError, match="TRAINING_LOG: is not JSON lines"):
        publish(results, uri, COUNT, workers=2)
    broken.write_text(whole)
    publish(results, uri, COUNT, workers=2)
    assert len(stored(uri)) == COUNT + 1


@pytest.fixture
def publisher(results: Path, tmp_path: Path) -> "subprocess.Popen[str]":
    """A publish of two workers that are busy: each run has a long curve."""
    write_study(results, runs_of(COUNT), epochs=200)
    path = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"}
    words = [sys.executable, "-c", PROGRAM, str(results), f"sqlite:///{tmp_path}/mlflow.db"]
    publisher = subprocess.Popen([*words, str(COUNT)], env=path, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: list((results / "tracking/artefacts").rglob("RANKME_EVAL")))
    return publisher


def workers_of(publisher: "subprocess.Popen[str]") -> list[psutil.Process]:
    children = psutil.Process(publisher.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.parametrize("victim", ["publisher", "worker"])
def test_a_killed_process_takes_all_along_and_the_next_publish_goes_on(
    victim: str, tmp_path: Path, results: Path, publisher: "subprocess.Popen[str]"
) -> None:
    workers = workers_of(publisher)
    assert workers
    (publisher if victim == "publisher" else workers[0]).send_signal(signal.SIGKILL)
    told = publisher.communicate(timeout=60)[1]
    assert victim == "publisher" or "UserError: a process that sends runs was killed" in told
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    publish(results, uri, COUNT, workers=2)
    assert publish(results, uri, COUNT, workers=2) == {"unchanged": COUNT + 1}
    assert len(stored(uri)) == COUNT + 1
