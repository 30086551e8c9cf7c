"""Many runs are sent by several processes, which leave what one leaves."""

import os
import shutil
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path

import psutil
import pytest

from rankme.artefacts import Tree
from rankme.errors import UserError
from rankme.tracking import publishing
from tests.rankme.tracking.studies import (
    publish,
    runs_of,
    stored,
    table_from_files,
    table_from_store,
    write_study,
)
from tests.stores import SERVED, wait_until

pytestmark = pytest.mark.slow

COUNT = 12
"""One process sends ten, the other two."""


def publish_and_note(results: Path, uri: str, note: Path) -> None:
    """Publish by two workers, and leave what a user would be told."""
    publishing._RUNS_A_WORKER = 2
    try:
        publish(results, uri, COUNT, workers=2)
    except UserError as error:
        note.write_text(str(error))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of so many runs that they are shared."""
    results = tmp_path_factory.mktemp("written") / "results"
    write_study(results, runs_of(COUNT))
    return results


@pytest.fixture(autouse=True)
def _few_runs_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_RUNS_A_WORKER", 2)


@pytest.mark.parametrize("store", ["SQLite", pytest.param("server", marks=SERVED)])
def test_two_processes_leave_what_one_leaves(
    results: Path, tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    one, two = (f"sqlite:///{tmp_path}/{name}/mlflow.db" for name in ("one", "two"))
    if store == "server":
        two = request.getfixturevalue("running").uri
    assert publish(results, one, COUNT, study="shared") == {"created": COUNT + 1}
    assert publish(results, two, COUNT, study="shared", workers=2) == {"created": COUNT + 1}
    assert publish(results, two, COUNT, study="shared") == {"unchanged": COUNT + 1}
    expected, found = stored(one, "shared"), stored(two, "shared")
    assert found.keys() == expected.keys()
    for name, run in found.items():
        assert run.data.metrics == expected[name].data.metrics
        assert run.data.params == expected[name].data.params
    files = table_from_files(results, tmp_path / "files.csv", COUNT, "shared")
    assert table_from_store(two, tmp_path / "store.csv", "shared") == files


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
    publish(results, uri, COUNT)
    assert len(stored(uri)) == COUNT + 1


@pytest.mark.parametrize("victim", ["publisher", "worker"])
def test_a_killed_process_takes_all_along_and_the_next_publish_goes_on(
    victim: str, tmp_path: Path, written: Path, results: Path, forks: ForkServerContext
) -> None:
    uri, runs = f"sqlite:///{tmp_path}/mlflow.db", runs_of(COUNT)
    # Both workers are stuck in their second run, in a file that nobody writes.
    logs = [Tree(results).run("SimCLR", runs[place].name).log for place in (1, COUNT - 1)]
    for log in logs:
        log.unlink()
        os.mkfifo(log)
    note = tmp_path / "note"
    publisher = forks.Process(target=publish_and_note, args=(results, uri, note))
    publisher.start()
    wait_until(lambda: len(list((results / "tracking/artefacts").rglob("RANKME_EVAL"))) == 2)
    children = psutil.Process(publisher.pid).children(recursive=True)
    workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    assert workers
    os.kill(publisher.pid if victim == "publisher" else workers[0].pid, signal.SIGKILL)
    publisher.join(60)
    assert victim == "publisher" or "a process that sends runs was killed" in note.read_text()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    for log in logs:
        log.unlink()
    shutil.copytree(written, results, dirs_exist_ok=True)
    publish(results, uri, COUNT)
    assert publish(results, uri, COUNT) == {"unchanged": COUNT + 1}
    assert len(stored(uri)) == COUNT + 1
