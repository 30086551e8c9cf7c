"""What a store holds is what the files hold, however often and from wherever it is published."""

import math
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun

import collect_results
from rankme.analysis.collect import results_table
from rankme.analysis.tables import Label, study_label, write_table
from rankme.artefacts import Tree
from rankme.errors import UserError
from rankme.tracking import store
from rankme.tracking.publishing import Publication
from rankme.tracking.record import RUN
from rankme.tracking.store import Store
from tests.rankme.tracking.conftest import SECRET, Server
from tests.rankme.tracking.studies import change, runs_of, study_of, write_run, write_study

STUDY = "made-up"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_study(tmp_path / "results", runs_of(3))
    return tmp_path / "results"


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without records; making one takes seconds."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def uri(results: Path, empty: Path) -> str:
    (results / "tracking").mkdir(parents=True)
    shutil.copy(empty, results / "tracking/mlflow.db")
    return f"sqlite:///{results}/tracking/mlflow.db"


def publish(results: Path, uri: str, count: int = 3, **options: Any) -> dict[str, int]:
    models, workers = options.pop("models", False), options.pop("workers", 1)
    study = study_of(**options)
    return dict(Publication(study, runs_of(count), results, models).publish(uri, workers))


def stored(uri: str, study: str = STUDY) -> dict[str, StoredRun]:
    """Key -> record, by MLflow's own client; each key once."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    found = {run.data.tags[RUN].partition("/")[2]: run for run in runs}
    assert len(found) == len(runs), "doubles"
    return found


def dump(uri: str) -> list[str]:
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
        return list(database.iterdump())


def run_of(uri: str, index: int = 0, study: str = STUDY) -> StoredRun:
    return stored(uri, study)[runs_of(index + 1)[index].name]


def test_a_record_has_settings_curves_ranks_accuracies_provenance_and_files(results, uri) -> None:
    assert publish(results, uri) == {"created": 4}
    run, client = run_of(uri, 1), MlflowClient(uri)
    assert run.info.status == "FINISHED"
    assert run.data.params["hyperparameters.temperature"] == "2.0"
    assert run.data.params["training.lr"] == str(0.1 + 0.2)
    assert run.data.tags["provenance.commit"]
    assert run.data.tags["status"] == "completed"
    value = 1 + 1 / 7
    assert run.data.metrics["rank/digits/embedding/rankme"] == value
    assert run.data.metrics["rank/digits/representation/rankme"] == 2 * value
    assert run.data.metrics["accuracy/textures/linear/top1"] == 1 / (4 + value)
    assert run.data.metrics["accuracy/textures/knn/top1"] == 1 / (4 + value)
    assert "rank/digits/embedding/alpha" not in run.data.metrics
    curve = client.get_metric_history(run.info.run_id, "training/loss")
    assert [(point.step, point.value) for point in curve] == [(e, value / e) for e in (1, 2, 3)]
    local = Path(client.download_artifacts(run.info.run_id, "digits/ACCURACY"))
    folder = results / "all_results/SimCLR" / run.info.run_name
    assert local.read_bytes() == (folder / "digits/ACCURACY").read_bytes()
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"RANKME_EVAL", "TRAINING_LOG", "shapes", "digits", "textures"}


def test_the_summary_has_tables_and_figures(results, uri) -> None:
    publish(results, uri)
    (summary,) = [run for run in stored(uri).values() if "summary" in run.info.run_name]
    client = MlflowClient(uri)
    files = [client.list_artifacts(summary.info.run_id, path) for path in ("tables", "plots")]
    assert [file.path for part in files for file in part] == [
        "tables/results.csv",
        "plots/rank_vs_acc.png",
    ]


def test_of_another_study_of_the_tree_nothing_is_sent(results, uri) -> None:
    publish(results, uri, study="other")
    (summary,) = [run for run in stored(uri, "other").values() if "summary" in run.info.run_name]
    assert MlflowClient(uri).list_artifacts(summary.info.run_id) == []


@pytest.mark.parametrize(("name", "digest"), [("other", None), (STUDY, "0123456789ab")])
def test_a_table_of_another_study_is_refused_before_anything_is_sent(
    results, uri, name, digest
) -> None:
    file = Tree(results).study(STUDY).tables / "claims.csv"
    own = study_label(study_of())
    write_table(file, pd.DataFrame({"claim": ["C1"]}), name, digest or own.digest)
    message = rf"claims\.csv: is of the study {name} \(.*\), not of {STUDY} \({own.digest}\)"
    with pytest.raises(UserError, match=message):
        publish(results, uri)
    assert MlflowClient(uri).get_experiment_by_name(STUDY) is None
    file.write_text("claim\nC1\n")
    with pytest.raises(UserError, match=r"claims\.csv: lacks the columns study, study_digest"):
        publish(results, uri)


def test_the_model_is_sent_only_if_asked(results, uri) -> None:
    publish(results, uri)
    assert publish(results, uri, models=True) == {"updated": 3, "unchanged": 1}
    files = MlflowClient(uri).list_artifacts(run_of(uri).info.run_id)
    assert "PRETRAINED_MODEL" in {file.path for file in files}


@pytest.mark.parametrize("status", ["diverged", "collapsed"])
def test_a_run_that_came_to_nothing_is_marked(results, uri, status) -> None:
    write_run(results, runs_of(1)[0], 1.0, status=status)
    publish(results, uri)
    assert run_of(uri).info.status == "FAILED"
    assert run_of(uri).data.tags["status"] == status


def test_a_second_publish_changes_no_row_of_the_database(results, uri) -> None:
    publish(results, uri)
    before = dump(uri)
    assert publish(results, uri) == {"unchanged": 4}
    assert dump(uri) == before


def test_a_touched_or_copied_tree_changes_nothing(results, uri, tmp_path) -> None:
    publish(results, uri)
    before = dump(uri)
    copy = shutil.copytree(results, tmp_path / "copy", copy_function=shutil.copy)
    assert publish(copy, uri) == {"unchanged": 4}
    assert dump(uri) == before


def test_a_changed_run_updates_its_own_record_and_no_other(results, uri) -> None:
    publish(results, uri)
    before = stored(uri)
    run = runs_of(3)[1]
    write_run(results, run, 5.0, epochs=4)
    change(results / "all_results/SimCLR" / run.name / "digits/ACCURACY", top1=None)
    assert publish(results, uri) == {"updated": 1, "unchanged": 3}
    after = stored(uri)
    assert {key: r.info.run_id for key, r in after.items()} == {
        key: r.info.run_id for key, r in before.items()
    }
    metrics = after[run.name].data.metrics
    assert metrics["rank/digits/embedding/rankme"] == 5.0
    assert metrics["accuracy/textures/linear/top1"] == 1 / (4 + 5)
    assert math.isnan(metrics["accuracy/digits/linear/top1"])
    assert metrics["training/loss"] == 5 / 4
    assert publish(results, uri) == {"unchanged": 4}


def test_of_a_run_made_again_with_fewer_epochs_no_old_value_is_left(results, uri) -> None:
    publish(results, uri)
    write_run(results, runs_of(1)[0], 5.0, epochs=2)
    assert publish(results, uri) == {"updated": 1, "unchanged": 3}
    run = run_of(uri)
    history = MlflowClient(uri).get_metric_history(run.info.run_id, "training/loss")
    latest = {p.step: p.value for p in sorted(history, key=lambda p: p.timestamp)}
    assert (latest[1], latest[2]) == (5.0, 2.5)
    assert math.isnan(latest[3])
    assert math.isnan(run.data.metrics["training/loss"])
    assert publish(results, uri) == {"unchanged": 4}


def test_a_run_made_while_records_are_listed_page_by_page_costs_no_other(
    results, uri, monkeypatch
) -> None:
    """It shifts the pages, so that the last record of one is the first of the next."""
    publish(results, uri)
    experiment, search, made = run_of(uri).info.experiment_id, MlflowClient.search_runs, []

    def search_and_make(self: MlflowClient, *arguments: Any, **options: Any) -> Any:
        page = search(self, *arguments, **options)
        if not made:
            made.append(self.create_run(experiment, tags={RUN: "other/run"}))
        return page

    monkeypatch.setattr(store, "_PAGE", 2)
    monkeypatch.setattr(MlflowClient, "search_runs", search_and_make)
    assert publish(results, uri) == {"unchanged": 4}
    monkeypatch.undo()
    assert len(stored(uri)) == 5


def test_a_tree_whose_own_notes_were_deleted_publishes_as_itself(results, tmp_path) -> None:
    uri = f"sqlite:///{tmp_path}/elsewhere.db"
    publish(results, uri)
    shutil.rmtree(results / "tracking")
    assert publish(results, uri, count=2) == {"unchanged": 2, "updated": 1}
    assert len(table_from_store(uri, tmp_path / "store.csv").splitlines()) == 1 + 2 * 3


def test_a_publish_that_broke_off_goes_on_where_it_was(results, uri, monkeypatch) -> None:
    send, sent = Store._log, []

    def broken(self: Store, *arguments: Any) -> None:
        sent.append(arguments)
        if len(sent) == 2:
            raise OSError("connection lost")
        send(self, *arguments)

    monkeypatch.setattr(Store, "_log", broken)
    with pytest.raises(OSError, match="connection lost"):
        publish(results, uri)
    monkeypatch.undo()
    assert publish(results, uri) == {"unchanged": 1, "updated": 1, "created": 2}
    assert publish(results, uri) == {"unchanged": 4}
    assert len(stored(uri)) == 4


def test_a_double_is_removed_and_the_other_filled(results, uri) -> None:
    publish(results, uri)
    run, client = run_of(uri), MlflowClient(uri)
    client.create_run(run.info.experiment_id, tags={RUN: run.data.tags[RUN]})
    publish(results, uri)
    assert run_of(uri).data.metrics == run.data.metrics


def test_a_record_taken_away_by_another_machine_is_sent_to_the_one_that_is_left(
    results, uri, monkeypatch
) -> None:
    create = Store._create

    def create_and_lose(self: Store, record: Any) -> StoredRun:
        mine, other = create(self, record), create(self, record)
        self._client.delete_run(mine.info.run_id)
        assert other.info.run_id != mine.info.run_id
        return mine

    monkeypatch.setattr(Store, "_create", create_and_lose)
    publish(results, uri)
    assert len(stored(uri)) == 4
    assert run_of(uri).data.metrics["rank/digits/embedding/rankme"] == 1.0


def test_a_deleted_experiment_is_told_with_the_way_back(results, uri) -> None:
    publish(results, uri)
    MlflowClient(uri).delete_experiment(run_of(uri).info.experiment_id)
    with pytest.raises(UserError, match="mlflow experiments restore --experiment-id 1"):
        publish(results, uri)


PROGRAM = """
import sys
from pathlib import Path
from tests.rankme.tracking.test_publishing import publish
publish(Path(sys.argv[1]), sys.argv[2], study=sys.argv[3])
"""
ROOT = Path(__file__).resolve().parents[3]


def in_background(results: Path, uri: str, study: str) -> subprocess.Popen[bytes]:
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}", "PATH": "/usr/bin:/bin"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, results, uri, study], env=path)


def assert_published_at_once(uri: str, results: Path, studies: list[str]) -> None:
    machines = [results, shutil.copytree(results, results.with_name("machine-2"))]
    publishers = [in_background(*pair) for pair in zip(machines, [uri] * 2, studies, strict=True)]
    assert [publisher.wait(240) for publisher in publishers] == [0] * len(studies)
    for study in set(studies):
        assert len(stored(uri, study)) == 3 + studies.count(study)


@pytest.mark.parametrize("studies", [["one", "two"], ["same", "same"]], ids=" ".join)
def test_two_publish_at_the_same_time_into_a_new_sqlite_file(results, tmp_path, studies) -> None:
    assert_published_at_once(f"sqlite:///{tmp_path}/shared/mlflow.db", results, studies)


def test_two_publish_one_tree_at_the_same_time(results, uri) -> None:
    publishers = [in_background(results, uri, "same") for _ in range(2)]
    assert [publisher.wait(240) for publisher in publishers] == [0, 0]
    assert len(stored(uri, "same")) == 4


@pytest.mark.parametrize("studies", [["one", "two"], ["same", "same"]], ids=" ".join)
def test_two_publish_at_the_same_time_to_a_server(results, running, studies) -> None:
    assert_published_at_once(running.uri, results, studies)


def test_a_server_on_postgresql_gets_what_sqlite_gets(results, uri, running, postgres) -> None:
    for place in (uri, running.uri, postgres):
        publish(results, place, study="everywhere")
        assert publish(results, place, study="everywhere") == {"unchanged": 4}
    local = run_of(uri, study="everywhere").data
    remote = run_of(running.uri, study="everywhere")
    assert remote.data.metrics == local.metrics
    assert remote.data.params == local.params
    client = MlflowClient(running.uri)
    assert {file.path for file in client.list_artifacts(remote.info.run_id)} >= {"RANKME_EVAL"}


def test_a_server_killed_and_restarted_in_the_midst_of_a_publish(
    results, running: Server, monkeypatch
) -> None:
    """While it is down the publish fails or waits; in the end all is there, and once."""
    write_study(results, runs_of(8))
    began = threading.Event()
    send = Store._send

    def noted(self: Store, *arguments: Any) -> str:
        outcome = send(self, *arguments)
        began.set()
        return outcome

    monkeypatch.setattr(Store, "_send", noted)

    def restart() -> None:
        began.wait()
        running.kill()
        time.sleep(1)
        running.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    with suppress(UserError):
        publish(results, running.uri, 8, study="restarted")
    restarting.join()
    publish(results, running.uri, 8, study="restarted")
    assert publish(results, running.uri, 8, study="restarted") == {"unchanged": 9}
    assert len(stored(running.uri, "restarted")) == 9


def test_a_database_that_is_down_is_told_soon_and_without_its_password(results) -> None:
    start = time.monotonic()
    with pytest.raises(UserError, match=r"tracking store postgresql://127\.0\.0\.1:1 failed") as e:
        publish(results, f"postgresql://rankme:{SECRET}@127.0.0.1:1/postgres")
    assert SECRET not in str(e.value)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite://"])
def test_a_store_that_keeps_nothing_is_refused(results, uri) -> None:
    with pytest.raises(UserError, match="keeps nothing; name a file: sqlite:///FILE"):
        publish(results, uri)


@pytest.mark.parametrize("uri", [f"http://me:{SECRET}/at", f"postgresql://me:[{SECRET}@host/x"])
def test_an_address_that_is_none_is_told_without_its_password(results, uri) -> None:
    for ask in (lambda: publish(results, uri), lambda: table_from_store(uri, results / "t.csv")):
        with pytest.raises(UserError, match="its address cannot be parsed") as told:
            ask()
        assert SECRET not in str(told.value)


def test_reading_back_from_a_file_that_is_not_there_makes_none(tmp_path) -> None:
    with pytest.raises(UserError, match=r"typo\.db: no such file"):
        table_from_store(f"sqlite:///{tmp_path}/typo/typo.db", tmp_path / "store.csv")
    assert list(tmp_path.iterdir()) == []


def table_from_files(results: Path, path: Path, count: int = 3, name: str = STUDY) -> bytes:
    study = study_of(name)
    write_table(path, results_table(study, runs_of(count), results), *study_label(study))
    return path.read_bytes()


def table_from_store(uri: str, path: Path, *names: str) -> bytes:
    table, label = collect_results.stored_results(uri, names)
    write_table(path, table, *label)
    return path.read_bytes()


def test_the_table_of_the_database_alone_is_that_of_the_files(results, uri, tmp_path) -> None:
    publish(results, uri)
    write_run(results, runs_of(5)[4], 1.0)
    alone = tmp_path / "alone.db"
    shutil.copy(results / "tracking/mlflow.db", alone)
    expected = table_from_files(results, tmp_path / "files.csv")
    shutil.rmtree(results)
    assert table_from_store(f"sqlite:///{alone}", tmp_path / "store.csv") == expected


def test_the_table_of_a_server_is_that_of_the_files(results, running, tmp_path) -> None:
    publish(results, running.uri, study="read-back")
    found = table_from_store(running.uri, tmp_path / "store.csv", "read-back")
    assert found == table_from_files(results, tmp_path / "files.csv", name="read-back")


def test_a_run_taken_out_of_the_study_leaves_the_table(results, uri, tmp_path) -> None:
    publish(results, uri)
    publish(results, uri, count=2)
    expected = table_from_files(results, tmp_path / "files.csv", count=2)
    assert table_from_store(uri, tmp_path / "store.csv") == expected


def test_runs_of_several_machines_are_pooled_and_stand_there_once(results, tmp_path, uri) -> None:
    publish(results, uri)
    runs, other = runs_of(5)[2:], tmp_path / "other"
    write_study(other, runs)
    Publication(study_of(), runs, other, False).publish(uri)
    table, label = collect_results.stored_results(uri, [])
    assert label == study_label(study_of())
    assert sorted(set(table["run"])) == sorted(run.name for run in runs_of(5))
    assert len(table) == 5 * 3


def test_several_studies_in_one_store_have_to_be_named(results, uri, tmp_path) -> None:
    publish(results, uri)
    publish(results, uri, study="second")
    with pytest.raises(UserError, match=r"holds 2 studies; name those to read by --experiment"):
        collect_results.stored_results(uri, [])
    with pytest.raises(UserError, match="has no study 'secnd', did you mean 'second'"):
        collect_results.stored_results(uri, ["secnd"])
    assert len(collect_results.stored_results(uri, ["second"])[0]) == 9
    pooled, label = collect_results.stored_results(uri, ["second", STUDY])
    assert len(pooled) == 9
    assert label == Label(f"{STUDY} and second", study_label(study_of()).digest)
