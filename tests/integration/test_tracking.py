"""Publishing as a step of the workflow: what it needs, what it never costs, what it never tells."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from rankme.artefacts import read_metadata
from tests.integration.conftest import FIGURE, ROOT, environment
from tests.stores import SECRET, SERVED, Server, free_port, wait_until

DATABASE = "results/tracking/mlflow.db"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def track(checkout, **settings) -> None:
    checkout.configure(lambda config: config.update(tracking=settings))


def records(uri: str, study: str = "default") -> list:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    return client.search_runs([experiment.experiment_id]) if experiment else []


def test_all_ends_with_a_publish_into_the_results_tree_unless_it_is_off(finished) -> None:
    assert finished.planned() == {}, "off is one key"
    track(finished)
    assert finished.planned() == {"publish": 1}
    assert finished.planned(FIGURE) == {}, "the figure needs no store"
    finished.run()
    assert finished.planned() == {}
    names = {run.info.run_name for run in records(f"sqlite:///{finished.path / DATABASE}")}
    assert names == {run.name for run in finished.runs()} | {"summary of default"}
    table = finished.path / "results/tables/results.csv"
    store = ("--from-tracking", f"sqlite:///{DATABASE}")
    finished.python("scripts/collect_results.py", *store, "--output=back")
    assert (finished.path / "back/results.csv").read_bytes() == table.read_bytes()
    with sqlite3.connect(finished.path / DATABASE) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",), "one whole file"
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_store_that_is_down_leaves_the_study_complete_and_says_what_to_do(
    finished, monkeypatch
) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    elsewhere = f"sqlite:///{finished.path}/elsewhere.db"
    track(finished, uri=elsewhere, live=True, models=True)
    assert finished.planned() == {"publish": 1}, "no setting of tracking trains again"
    (finished.path / FIGURE).unlink()
    done = finished.snakemake(check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert (finished.path / FIGURE).exists()
    assert f"error: the tracking store {uri} failed" in told, "the environment comes first"
    assert "say `snakemake results/PUBLISHED`" in told
    assert "Traceback" not in told
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    finished.snakemake("results/PUBLISHED")
    assert len(records(elsewhere)) == 3
    assert not (finished.path / DATABASE).exists()
    assert finished.planned() == {}
    track(finished)
    assert finished.planned() == {"publish": 1}, "another store"


def one_live_run(checkout, epochs: int, **tracking: str) -> None:
    checkout.configure(lambda config: config["methods"][0].pop("sweeps", None))
    checkout.configure(lambda config: config["training"].update(epochs=epochs))
    track(checkout, live=True, **tracking)


@SERVED
def test_a_live_run_is_seen_while_it_trains_and_costs_nothing_if_the_server_dies(
    prepared,
    running: Server,
) -> None:
    prepared.configure(lambda config: config.update(study="live", targets=[]))
    one_live_run(prepared, uri=running.uri, epochs=40)
    loop, step = prepared.path / "scripts/rankme/training/loop.py", "self.progress.step()\n"
    assert step in loop.read_text()
    loop.write_text(loop.read_text().replace(step, f"{step}        time.sleep(0.25)\n"))
    seen = seen_while_it_trains(prepared, running.uri, "live", lambda: None)
    assert seen.info.status == "RUNNING"
    prepared.run()
    kept = [r for r in records(running.uri, "live") if "summary" not in r.info.run_name]
    assert [r.info.run_id for r in kept] == [seen.info.run_id], "published into the same record"
    assert kept[0].data.tags["status"] == "completed"
    curve = MlflowClient(running.uri).get_metric_history(seen.info.run_id, "training/loss")
    (run,) = prepared.runs()
    rows = [json.loads(line) for line in (run / "TRAINING_LOG").read_text().splitlines()]
    assert [(point.step, point.value) for point in curve] == [(r["epoch"], r["loss"]) for r in rows]

    with_server = weights(run)
    shutil.rmtree(run)
    prepared.configure(lambda config: config.update(study="dying"))
    seen_while_it_trains(prepared, running.uri, "dying", running.kill)
    assert weights(run) == with_server


def seen_while_it_trains(checkout, uri: str, study: str, then: Callable[[], None]) -> Run:
    """The record of a run under way; training ends well after `then`."""
    training = checkout.start("--until", "pretrain")
    wait_until(lambda: any("training/loss" in r.data.metrics for r in records(uri, study)))
    (seen,) = records(uri, study)
    then()
    assert training.poll() is None, "it was over before that"
    assert training.wait(240) == 0
    return seen


def weights(run: Path) -> str:
    """Digest of a run's weights."""
    return str(read_metadata(run / "PRETRAINED_MODEL", "PRETRAINED_MODEL")["weights_sha256"])


def traces(checkout, *texts: str) -> list[str]:
    """What in a checkout, its hidden folders and databases included, holds the secret."""
    places = [path for path in checkout.path.rglob("*") if path.is_file()]
    found = [str(path) for path in places if SECRET.encode() in path.read_bytes()]
    return found + [text for text in texts if SECRET in text]


DATABASES = {
    "database": {"MLFLOW_TRACKING_URI": "{postgres}"},
    "database, wrong": {"MLFLOW_TRACKING_URI": "{postgres}/none"},
    "variable of PostgreSQL": {"MLFLOW_TRACKING_URI": "{open_postgres}", "PGPASSWORD": SECRET},
}
PLACES = {
    "server": {"MLFLOW_TRACKING_URI": f"http://user:{SECRET}@127.0.0.1:1/at/all"},
    "server, token": {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "MLFLOW_TRACKING_TOKEN": SECRET},
    "server, password": {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "MLFLOW_TRACKING_USERNAME": "user",
        "MLFLOW_TRACKING_PASSWORD": SECRET,
    },
    "unknown driver": {"MLFLOW_TRACKING_URI": f"postgresql+none://user:{SECRET}@127.0.0.1/x"},
    "odd password": {"MLFLOW_TRACKING_URI": f"postgresql://user:a/{SECRET}?#@127.0.0.1:1/x"},
    "option": {"MLFLOW_TRACKING_URI": f"postgresql://127.0.0.1:1/x?user=me&password={SECRET}"},
    "no address": {"MLFLOW_TRACKING_URI": f"user:{SECRET}@127.0.0.1"},
    "no host": {"MLFLOW_TRACKING_URI": f"http://user:{SECRET}/path"},
    "token, line break": {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "MLFLOW_TRACKING_TOKEN": f"{SECRET}\r\n",
    },
}
RIGHT = ("database", "variable of PostgreSQL")


@pytest.mark.parametrize(
    "place", [*PLACES, *(pytest.param(place, marks=SERVED) for place in DATABASES)]
)
def test_a_secret_of_the_environment_is_in_nothing_that_a_run_leaves(
    finished, place, request, monkeypatch
) -> None:
    postgres = request.getfixturevalue("postgres") if place in DATABASES else ""
    open_postgres = postgres.replace(f":{SECRET}", "")
    for name, value in (PLACES | DATABASES)[place].items():
        monkeypatch.setenv(name, value.format(postgres=postgres, open_postgres=open_postgres))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    if place == RIGHT[1]:  # the tests share a database
        finished.configure(lambda config: config.update(study="second"))
    track(finished)
    done = finished.snakemake("--printshellcmds", check=False)
    assert (done.returncode == 0) == (place in RIGHT), done.stdout + done.stderr
    (log,) = finished.path.glob("logs/*/publish.log")
    assert log.read_text()
    told = done.stdout + done.stderr
    if place == "database":
        report = finished.snakemake("--report", "results/report.html")
        collect = ("scripts/collect_results.py", "--from-tracking", "--experiment=default")
        back = finished.python(*collect, "--output=back")
        told += report.stderr + back.stderr
        sent = records(postgres)
        assert len(sent) == 3
        told += "".join(str(run.to_dictionary()) for run in sent)
    assert not traces(finished, told)
    assert "Traceback" not in told


def test_a_secret_is_in_nothing_that_a_live_run_leaves(prepared, tmp_path, monkeypatch) -> None:
    one_live_run(prepared, epochs=2)
    places = {
        "driver": f"postgresql+none://user:{SECRET}@127.0.0.1/x",
        "server": f"http://user:{SECRET}@127.0.0.1:1",
        "path": f"http://user:{SECRET}/path",
    }
    under_way = []
    for name, uri in places.items():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        checkout = prepared.copy(tmp_path / name)
        under_way.append((checkout, checkout.start("--until", "pretrain")))
    for checkout, training in under_way:
        told, _ = training.communicate()
        assert training.returncode == 0, told
        (run,) = checkout.runs()
        (log,) = checkout.path.glob(f"logs/pretrain/SimCLR/{run.name}*")
        assert "live view: the tracking store" in log.read_text()
        assert not traces(checkout, told)


@pytest.mark.parametrize(
    "tracking",
    [
        {"uri": f"postgresql://user:{SECRET}@127.0.0.1/x"},
        {"uri": f"https://{SECRET}@127.0.0.1"},
        {"uri": f"postgresql://127.0.0.1/x?password={SECRET}"},
        {"uri": f"postgresql//user:{SECRET}@127.0.0.1/x"},
        {"uri": f"postgresql://user:{SECRET}/x"},
        {"uri": [f"postgresql://user:{SECRET}@127.0.0.1/x"]},
        {"enabled": f"postgresql://user:{SECRET}@127.0.0.1/x"},
        {f"postgresql://user:{SECRET}@127.0.0.1/x": True},
        f"postgresql://user:{SECRET}@127.0.0.1/x",
    ],
    ids=["password", "token", "option", "typo", "no host", "list", "other", "key", "section"],
)
def test_a_secret_in_the_config_is_refused_and_not_repeated(fresh, tracking) -> None:
    fresh.configure(lambda config: config.update(tracking=tracking))
    config = fresh.path / "config/config.yaml"
    done = fresh.snakemake("-n", check=False)
    assert done.returncode == 1
    assert "tracking" in done.stderr
    config.unlink()
    assert not traces(fresh, done.stdout, done.stderr)


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(fresh) -> None:
    uri = f"postgresql://user:{SECRET}@127.0.0.1/x"
    done = fresh.snakemake("-n", "--config", f"tracking={{uri: '{uri}'}}", check=False)
    assert done.returncode == 1
    assert "tracking.uri: holds credentials" in done.stderr
    assert not traces(fresh, done.stdout, done.stderr)


def mlflow_run(checkout, values: str) -> str:
    """What `mlflow run .` with these values prints on stderr."""
    shutil.copy(ROOT / "MLproject", checkout.path)
    done = subprocess.run(
        ["mlflow", "run", ".", *values.split(), "--env-manager", "local"],
        cwd=checkout.path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_mlflow_run_runs_a_study_with_its_values(finished) -> None:
    finished.configure(lambda config: config.update(targets=[]))
    finished.configure(lambda config: config["methods"][0].pop("sweeps"))
    (finished.path / "config/config.yaml").rename(finished.path / "config/tiny.yaml")
    before = finished.runs()
    values = "-P config=config/tiny.yaml -P device=cpu -P epochs=2 -P batch_size=64 -P workers=1"
    told = mlflow_run(finished, values)
    (run,) = set(finished.runs()) - set(before)
    training = read_metadata(run / "PRETRAINED_MODEL", "PRETRAINED_MODEL")["run"]["training"]
    assert (training["epochs"], training["batch_size"]) == (2, 64)
    assert "Provided cores: 1" in told
    assert (finished.path / "results/studies/tiny/plots/rank_vs_acc.pdf").exists()


def test_a_value_that_is_left_out_is_the_studys_own(finished) -> None:
    """MLproject gives an empty one."""
    project = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]["main"]["parameters"]
    config = project.pop("config")["default"]
    assert {value["default"] for value in project.values()} == {""}
    program = ("scripts/run_study.py", f"--config={config}")
    done = finished.python(*program, "--device=", "--epochs=", "--workers=")
    assert "Nothing to be done" in done.stderr
    wrong = finished.python(*program, "--epochs=two", check=False)
    assert wrong.stderr == "error: epochs: 'two' is not a whole number; give one, such as 64\n"


def test_no_call_of_snakemake_imports_mlflow_or_torch(fresh) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "snakemake", "-n"],
        cwd=fresh.path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "rankme.tracking.destination" in done.stderr
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"mlflow", "torch"}
