"""Records in an MLflow store. The only module that imports mlflow, which takes seconds.

A record in the store is made equal to the record of the files: what differs is sent and nothing
else. So a publish that broke off goes on where it was, and a second one changes nothing.
"""

import configparser
import fcntl
import logging
import math
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

# A server that restarts is waited for, one that is down is reported within a quarter of a minute.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
# Nobody is told what is published, and no job waits for an address outside.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow.store.db.utils
import requests
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, RunTag
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from rankme.artefacts import Tree
from rankme.errors import UserError, one_line
from rankme.secrets import censored, label, secrets, sqlite_file
from rankme.tracking import documents
from rankme.tracking.destination import require_address
from rankme.tracking.record import DIGEST, RUN, Point, Record

logger = logging.getLogger(__name__)

# Its errors are told once, by us, without tracebacks that may hold a password.
logging.getLogger("mlflow").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.CRITICAL)
# Ten attempts to reach a database take 100 s, three take half a second.
mlflow.store.db.utils.MAX_RETRY_COUNT = 3

_PAGE = 200
_OWN_TAGS = (documents.PREFIX, "provenance.")
_CURVES = "training/"
_OWN_METRICS = ("rank/", "accuracy/")
_TAKEN_AWAY = ("INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST")
_FAILURES = (
    MlflowException,
    requests.RequestException,
    sqlalchemy.exc.SQLAlchemyError,
    ImportError,  # No driver for such a database.
)


class Store:
    """The experiment of a study in a store.

    Args:
        uri: of the store.
        study: name of the experiment, made if there is none.
        tree: the results tree; the artefacts of a store without a server lie in it.
    """

    def __init__(self, uri: str, study: str, tree: Tree) -> None:
        self._client = MlflowClient(uri)
        self._artefacts = tree.tracking.absolute() / "artefacts"
        self._server = uri.startswith("http")
        experiment = self._experiment(study)
        self._experiment_id = experiment.experiment_id
        self._sends_files = self._server or self._is_here(experiment.artifact_location)

    def records(self, key: str | None = None) -> dict[str, list[StoredRun]]:
        """Key -> its records, all or those of one key; see `records_by_key`."""
        condition = "" if key is None else f"tags.`{RUN}` = '{key}'"
        return records_by_key(self._client, self._experiment_id, condition)

    def send(self, record: Record, known: Sequence[StoredRun]) -> str:
        """Make the record in the store that of the files.

        Args:
            record: of the files.
            known: what the store has under its key; all but the first are deleted.

        Returns:
            "created", "updated" or "unchanged".
        """
        try:
            return self._send(record, known)
        except MlflowException as error:
            if error.error_code not in _TAKEN_AWAY:
                raise
            # Another machine has kept its own record of this run and deleted ours meanwhile.
            return self._send(record, self.records(record.key).get(record.key, []))

    def _send(self, record: Record, known: Sequence[StoredRun]) -> str:
        for double in known[1:]:
            self._client.delete_run(double.info.run_id)
        digest = record.digest()
        if known and known[0].data.tags.get(DIGEST) == digest:
            return "unchanged"
        run = known[0] if known else self._create(record)
        run_id = run.info.run_id
        stored = self._stored(run)
        self._log(record, run, [*_new(record, run, stored), *_gone(record, stored)])
        for name in run.data.tags.keys() - record.tags.keys():
            if name.startswith(_OWN_TAGS):
                self._client.delete_tag(run_id, name)
        for path, file in record.files.items() if self._sends_files else ():
            self._client.log_artifact(run_id, str(file), path.rpartition("/")[0] or None)
        ended = run.info.start_time + round(1000 * record.seconds)
        self._client.set_terminated(run_id, record.status, ended)
        self._client.log_batch(run_id, tags=[RunTag(DIGEST, digest)])
        return "updated" if known else "created"

    def show(self, record: Record) -> None:
        """Show what is known of a run that is training; what a publish sent of it before stays."""
        known = self.records(record.key).get(record.key, [])
        run = known[0] if known else self._create(record)
        unfinished = replace(record, tags={**record.tags, DIGEST: ""})
        self._log(unfinished, run, _new(record, run, self._stored(run)))
        if run.info.status != record.status:
            self._client.update_run(run.info.run_id, record.status)

    def _create(self, record: Record) -> StoredRun:
        return self._client.create_run(
            self._experiment_id,
            start_time=round(1000 * record.started),
            tags={**record.tags, RUN: record.key},
            run_name=record.name,
        )

    def _log(self, record: Record, run: StoredRun, metrics: Iterable[Metric]) -> None:
        """Send these metrics, and what else the record has and the run in the store has not."""
        has = run.data
        tags = [RunTag(k, v) for k, v in record.tags.items() if has.tags.get(k) != v]
        params = [Param(k, v) for k, v in record.params.items() if k not in has.params]
        self._client.log_batch(run.info.run_id, list(metrics), params, tags)

    def _stored(self, run: StoredRun) -> dict[str, dict[int, float]]:
        """Name -> step -> the value logged last; only training curves have other steps than 0."""
        found = {}
        for name, value in run.data.metrics.items():
            if name.startswith(_CURVES):
                history = self._client.get_metric_history(run.info.run_id, name)
                found[name] = {m.step: m.value for m in sorted(history, key=lambda m: m.timestamp)}
            elif name.startswith(_OWN_METRICS):
                found[name] = {0: value}
        return found

    def _experiment(self, name: str) -> Experiment:
        found = self._client.get_experiment_by_name(name) or self._new_experiment(name)
        if found.lifecycle_stage != "active":
            raise UserError(
                f"the experiment {name!r} was deleted; restore it by `mlflow experiments restore "
                f"--experiment-id {found.experiment_id}`, or give the study another name"
            )
        return found

    def _new_experiment(self, name: str) -> Experiment:
        place = None if self._server else self._artefacts.as_uri()
        try:
            return self._client.get_experiment(self._client.create_experiment(name, place))
        except MlflowException as error:
            if made := self._client.get_experiment_by_name(name):  # By another machine, just now.
                return made
            raise error

    def _is_here(self, location: str) -> bool:
        """Whether artefacts go into this tree, or to a place that is the same from everywhere."""
        elsewhere = "://" in location and not location.startswith("file:")
        if elsewhere or location in (self._artefacts.as_uri(), str(self._artefacts)):
            return True
        logger.warning("no artefacts are sent: those of this experiment lie in %s", location)
        return False


@contextmanager
def opened(uri: str, study: str, tree: Tree) -> Iterator[Store]:
    """A study's experiment in a store; of all processes on a SQLite file, one at a time.

    Raises:
        UserError: the store cannot be reached, or refuses; without any secret.
    """
    require_address(uri)
    file = sqlite_file(uri)
    with _one_at_a_time(file) if file else nullcontext(), explained(uri):
        yield Store(uri, study, tree)


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """What a store has against us as a UserError that names the store and holds no secret."""
    try:
        yield
    except _FAILURES as error:
        reason = one_line(censored(str(error), secrets(uri)))[:500]
        raise UserError(f"the tracking store {label(uri)} failed: {reason}") from None
    except configparser.Error:
        raise UserError("~/.mlflow/credentials: cannot be parsed; write % as %%") from None


def everything(uri: str, names: Sequence[str] = ()) -> dict[str, dict[str, StoredRun]]:
    """Study -> key -> record, of these studies in a store, or of all that it has.

    Raises:
        UserError: the store is no file, cannot be reached, or refuses.
    """
    require_address(uri)
    if (file := sqlite_file(uri)) and not file.exists():
        raise UserError(f"{label(uri)}: no such file")
    with explained(uri):
        client = MlflowClient(uri)
        named = map(client.get_experiment_by_name, names)
        experiments = filter(None, named) if names else pages(client.search_experiments)
        found = {e.name: records_by_key(client, e.experiment_id) for e in experiments}
    return {
        study: {key: runs[0] for key, runs in records.items()}
        for study, records in found.items()
        if records
    }


def records_by_key(
    client: MlflowClient, experiment_id: str, condition: str = ""
) -> dict[str, list[StoredRun]]:
    """Key -> its records, in an order that everyone sees alike; more than one is a mishap."""
    # Pages are counted from the newest run: a run made meanwhile shows one of them a second time.
    runs = pages(partial(client.search_runs, [experiment_id], condition))
    once = {run.info.run_id: run for run in runs}
    found = defaultdict(list)
    for _, run in sorted(once.items()):
        if RUN in run.data.tags:
            found[run.data.tags[RUN]].append(run)
    return dict(found)


def pages(fetch: Callable[..., Any]) -> Iterator[Any]:
    """All that a search of MLflow's finds, page by page."""
    token: str | None = ""
    while token is not None:
        page = fetch(max_results=_PAGE, page_token=token or None)
        yield from page
        token = page.token or None


def _new(
    record: Record, run: StoredRun, stored: Mapping[str, Mapping[int, float]]
) -> Iterator[Metric]:
    """Points of curves, and single values, that are new or changed.

    The time of a new one follows from the run's start, so that two who send the same point send
    one; a changed one is dated now, since the latest is the one that counts.
    """
    single = {name: [Point(0, v, record.seconds)] for name, v in record.metrics.items()}
    for name, points in {**record.curves, **single}.items():
        has = stored.get(name, {})
        for point in points:
            if has.get(point.step) != point.value:
                measured = run.info.start_time + round(1000 * point.seconds)
                shown = _now() if point.step in has else measured
                yield Metric(name, point.value, shown, point.step)


def _gone(record: Record, stored: Mapping[str, Mapping[int, float]]) -> Iterator[Metric]:
    """NaN for each point that the store has and the files have no longer: none is deleted."""
    steps = {name: {0} for name in record.metrics}
    steps |= {name: {point.step for point in points} for name, points in record.curves.items()}
    for name, points in stored.items():
        for step, value in points.items():
            if step not in steps.get(name, ()) and not math.isnan(value):
                yield Metric(name, math.nan, _now(), step)


def _now() -> int:
    """Milliseconds since 1970."""
    return round(1000 * time.time())


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process on this file system holds this lock, and hold it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _one_at_a_time(database: Path) -> Iterator[None]:
    """Keep other processes from a SQLite file, which has one writer, and cannot be made by two."""
    with alone(database.with_name(f".{database.name}.lock")):
        sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", _quick_commits)
        try:
            yield
        finally:
            sqlalchemy.event.remove(sqlalchemy.engine.Engine, "connect", _quick_commits)
            _one_file(database)


def write_beside(uri: str) -> None:
    """Let this process write as quickly as the one that keeps all others from the store."""
    if sqlite_file(uri):
        sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", _quick_commits)


def _quick_commits(connection: Any, _: Any) -> None:
    """Have SQLite commit by one append, without waiting for the disk.

    Measured: 87 ms a run of 560 metrics instead of 150.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _one_file(database: Path) -> None:
    """A database that can be copied, and lie on a network file system: a single file again."""
    engines = SqlAlchemyStore._engine_map
    while engines:
        engines.popitem()[1].dispose()
    # It stays as it is where somebody else, such as the page, has it open.
    with suppress(sqlite3.Error), closing(sqlite3.connect(database, timeout=1)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
