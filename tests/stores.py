"""Stores to publish to: a real PostgreSQL, and a real `mlflow server` on it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SERVED = pytest.mark.xdist_group("server")
"""Of tests that use one of them: in one process, whose fixtures start each once."""

SECRET = "pl4nted-s3cret"
"""Password of the database, and of all else that has one."""

ACCOUNT = "postgres"

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""A server without its eight processes for jobs that nobody gives it."""


def missing(what: str) -> Any:
    """Skip a test; in continuous integration fail it."""
    if "CI" in os.environ:
        pytest.fail(f"{what} is not installed, and continuous integration must run this test")
    return pytest.skip(f"{what} is not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], seconds: float = 90) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of an empty database of a PostgreSQL started for these tests, with its password."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs or os.geteuid() != 0:
        missing("PostgreSQL, or the right to start it as another user,")
    # Not in pytest's folder, which another account cannot enter.
    folder, port = Path(tempfile.mkdtemp()), free_port()
    shutil.chown(folder, ACCOUNT)
    (folder / "password").write_text(SECRET)
    data, bin_folder = folder / "data", programs[-1].parent

    def run(program: str, *arguments: str) -> None:
        words = ["runuser", "-u", ACCOUNT, "--", str(bin_folder / program), *arguments]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    secured = ("--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync")
    run("initdb", f"--pgdata={data}", "--username=rankme", *secured)
    listens = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    control = ("pg_ctl", f"--pgdata={data}", f"--log={folder / 'log'}", "--wait")
    run(*control, "start", f"--options={listens}")
    yield f"postgresql://rankme:{SECRET}@127.0.0.1:{port}/postgres"
    run(*control, "stop", "--mode=immediate")
    shutil.rmtree(folder)


class Server:
    """A real `mlflow server` that can be killed and started again."""

    def __init__(self, database: str, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._words = ["--backend-store-uri", database, "--port", str(self.port), "--workers", "1"]
        self._words += ["--artifacts-destination", str(folder / "artefacts")]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self._folder / "server.log").open("a")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *self._words],
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=self._folder,
            env=os.environ | QUIET,
        )
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """End it without notice, with all its workers."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture(scope="session")
def server(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on PostgreSQL, running."""
    server = Server(postgres, tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def running(server: Server) -> Server:
    """The server, running whatever a test before did to it."""
    if not server.answers():
        server.kill()
        server.start()
    return server
