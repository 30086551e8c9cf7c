"""What a store holds is what the files hold, however often and from wherever it is published."""

import math
import shutil
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun

from rankme.analysis.tables import study_label, write_table
from rankme.artefacts import Tree, load_tensors, read_metadata, save_model
from rankme.errors import UserError
from rankme.files import read_json, write_json
from rankme.tracking import store
from rankme.tracking.record import RUN
from rankme.tracking.store import Store
from tests.rankme.analysis.synthetic import put
from tests.rankme.tracking.studies import (
    STUDY,
    publish,
    run_of,
    runs_of,
    stored,
    study_of,
    table_from_files,
    table_from_store,
    write_run,
    write_study,
)
from tests.stores import SECRET, SERVED, Server


def dump(uri: str) -> list[str]:
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
        return list(database.iterdump())


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
    assert run.data.metrics["rank/digits/representation/rankme"] == value / 2
    assert run.data.metrics["accuracy/textures/linear/top1"] == 1 / (4 + value)
    assert run.data.metrics["accuracy/textures/knn/top1"] == 1 / (4 + value) - 0.03
    assert "rank/digits/embedding/alpha_req" not in run.data.metrics
    curve = client.get_metric_history(run.info.run_id, "training/loss")
    assert [(point.step, point.value) for point in curve] == [(e, value / e) for e in (1, 2, 3)]
    local = Path(client.download_artifacts(run.info.run_id, "digits/ACCURACY"))
    folder = results / "all_results/SimCLR" / run.info.run_name
    assert local.read_bytes() == (folder / "digits/ACCURACY").read_bytes()
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"RANKME_EVAL", "TRAINING_LOG", "shapes", "digits", "textures"}


def test_the_summary_has_tables_and_figures_of_its_own_study_alone(results, uri) -> None:
    client, sent = MlflowClient(uri), {}
    for study in (STUDY, "other"):
        publish(results, uri, study=study)
        (record,) = [run for run in stored(uri, study).values() if "summary" in run.info.run_name]
        listed = [client.list_artifacts(record.info.run_id, path) for path in ("tables", "plots")]
        sent[study] = [file.path for files in listed for file in files]
    assert sent == {STUDY: ["tables/results.csv", "plots/rank_vs_acc.png"], "other": []}


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


def test_a_run_that_came_to_nothing_is_marked(results, uri) -> None:
    statuses = ["diverged", "collapsed"]
    for run, status in zip(runs_of(2), statuses, strict=True):
        write_run(results, run, 1.0, status=status)
    publish(results, uri)
    failed = [run_of(uri, index) for index in range(2)]
    assert [run.info.status for run in failed] == ["FAILED"] * 2
    assert [run.data.tags["status"] for run in failed] == statuses


@pytest.mark.parametrize(
    ("name", "key"), [("PRETRAINED_MODEL", "provenance"), ("RANKME_EVAL", "datasets")]
)
def test_a_key_that_a_file_lacks_is_named_before_the_run_is_sent(results, uri, name, key) -> None:
    file = results / "all_results/SimCLR" / runs_of(1)[0].name / name
    if name == "RANKME_EVAL":
        write_json(file, {k: v for k, v in read_json(file).items() if k != key})
    else:
        kept = {k: v for k, v in read_metadata(file, name).items() if k != key}
        save_model(file, load_tensors(file), kept)
    with pytest.raises(UserError, match=f"{name}: lacks the key '{key}'"):
        publish(results, uri)
    assert stored(uri) == {}


def test_a_second_publish_also_of_a_copied_tree_changes_no_row_of_the_database(
    results, uri, tmp_path
) -> None:
    publish(results, uri)
    before = dump(uri)
    copy = shutil.copytree(results, tmp_path / "copy", copy_function=shutil.copy)
    for tree in (results, copy):
        assert publish(tree, uri) == {"unchanged": 4}
        assert dump(uri) == before


def test_a_run_made_again_updates_its_own_record_and_leaves_no_old_value(results, uri) -> None:
    publish(results, uri)
    before, (shorter, longer, _) = stored(uri), runs_of(3)
    write_run(results, shorter, 5.0, epochs=2)
    files = write_run(results, longer, 5.0, epochs=4)
    put(files.dataset("digits").accuracy, {"top1": None})
    assert publish(results, uri) == {"updated": 2, "unchanged": 2}
    after = stored(uri)
    ids = [{key: run.info.run_id for key, run in found.items()} for found in (before, after)]
    assert ids[0] == ids[1]
    metrics = after[longer.name].data.metrics
    assert metrics["rank/digits/embedding/rankme"] == 5.0
    assert metrics["accuracy/textures/linear/top1"] == 1 / (4 + 5)
    assert math.isnan(metrics["accuracy/digits/linear/top1"])
    assert metrics["training/loss"] == 5 / 4
    history = MlflowClient(uri).get_metric_history(ids[1][shorter.name], "training/loss")
    latest = {p.step: p.value for p in sorted(history, key=lambda p: p.timestamp)}
    assert (latest[1], latest[2]) == (5.0, 2.5)
    assert math.isnan(latest[3])
    assert math.isnan(after[shorter.name].data.metrics["training/loss"])
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


def publish_both(results: Path, uri: str, own: str) -> None:
    for study in ("same", own):
        publish(results, uri, study=study)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["new SQLite file", pytest.param("server", marks=SERVED)])
def test_two_machines_and_two_on_one_machine_publish_at_the_same_time(
    results, tmp_path, request, forks, store
) -> None:
    """Both one study and studies of their own: of each, the runs and a summary a tree are there."""
    file = f"sqlite:///{tmp_path}/shared/mlflow.db"
    uri = request.getfixturevalue("running").uri if store == "server" else file
    trees = [results, shutil.copytree(results, tmp_path / "machine-2"), results]
    publishers = [
        forks.Process(target=publish_both, args=(tree, uri, own))
        for tree, own in zip(trees, ["one", "two", "one"], strict=True)
    ]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join(240)
    assert [publisher.exitcode for publisher in publishers] == [0] * 3
    counts = {study: len(stored(uri, study)) for study in ("one", "two", "same")}
    assert counts == {"one": 4, "two": 4, "same": 5}


@SERVED
@pytest.mark.slow
def test_a_server_on_postgresql_gets_what_sqlite_gets_and_gives_the_table_of_the_files(
    results, uri, running, postgres, tmp_path
) -> None:
    table = table_from_files(results, tmp_path / "files.csv", name="everywhere")
    for place in (uri, running.uri, postgres):
        publish(results, place, study="everywhere")
        assert publish(results, place, study="everywhere") == {"unchanged": 4}
        assert table_from_store(place, tmp_path / "store.csv", "everywhere") == table
    local = run_of(uri, study="everywhere").data
    remote = run_of(running.uri, study="everywhere")
    assert remote.data.metrics == local.metrics
    assert remote.data.params == local.params
    client = MlflowClient(running.uri)
    assert {file.path for file in client.list_artifacts(remote.info.run_id)} >= {"RANKME_EVAL"}


@SERVED
@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite://", "keeps nothing; name a file: sqlite:///FILE"),
        ("sqlite:///:memory:", "keeps nothing; name a file: sqlite:///FILE"),
        ("sqlite+pysqlite://", "keeps nothing; name a file: sqlite:///FILE"),
        (f"http://me:{SECRET}/at", "its address cannot be parsed"),
        (f"postgresql://me:[{SECRET}@host/x", "its address cannot be parsed"),
    ],
)
def test_an_address_of_no_store_is_refused_without_its_password(results, uri, message) -> None:
    for ask in (lambda: publish(results, uri), lambda: table_from_store(uri, results / "t.csv")):
        with pytest.raises(UserError, match=message) as told:
            ask()
        assert SECRET not in str(told.value)
