"""Made-up studies, and what publishing them starts from."""

import multiprocessing
import os
import shutil
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from mlflow import MlflowClient

from rankme.tracking.destination import URI
from tests.rankme.tracking.studies import runs_of, write_study


@pytest.fixture(autouse=True)
def _no_other_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URI, raising=False)


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> ForkServerContext:
    """Starts processes that have imported mlflow, and share no connection with this one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.rankme.tracking.studies"])
    return context


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that no test changes."""
    results = tmp_path_factory.mktemp("written") / "results"
    write_study(results, runs_of(3))
    return results


@pytest.fixture
def results(tmp_path: Path, written: Path) -> Path:
    return shutil.copytree(written, tmp_path / "results")


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
