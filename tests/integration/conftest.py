"""Copies of the project, with or without a tiny study that has run, and real `snakemake` calls."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).resolve().parents[2]
CODE = ("Snakefile", "workflow", "scripts", "config", "envs", "profiles", "slurm")
FIGURE = "results/plots/rank_vs_acc.pdf"

STUDY = """
source: little-shapes
targets: [little-textures]
datasets:
  little-shapes: {reader: shapes, size: 16, options: {train_count: 80, test_count: 40}}
  little-textures: {reader: textures, size: 16, options: {train_count: 80, test_count: 40}}
  little-digits: {reader: digits, size: 16}
encoder: {name: resnet10, width: 4, stem: stride2}
projector: {widths: [16, 8]}
training: {epochs: 1, batch_size: 40, optimizer: adamw, lr: 0.001, scale_lr: false,
           warmup_epochs: 0, rank_samples: 16, precision: float32}
rank: {samples: 64, lidar_images: 12, lidar_views: 3}
probe: {epochs: 2, milestones: [1], lr: [0.01, 0.1], weight_decay: [0]}
compute: {threads: 1, device: cpu}
tracking: {enabled: false}
methods:
  - name: SimCLR
    default: {temperature: 0.1}
    sweeps: {temperature: [0.1, 0.5]}
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the project."""

    path: Path

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the real snakemake here; its imports are paid once a session."""
        server = snakemake_server()
        assert server.stdin
        assert server.stdout
        with TemporaryDirectory() as folder:
            files = {name: f"{folder}/{name}" for name in ("output", "errors")}
            call = {"arguments": arguments, "cwd": str(self.path), "env": environment()}
            print(json.dumps(call | files), file=server.stdin)
            code = int(server.stdout.readline())
            told = [Path(file).read_text() for file in files.values()]
        done = subprocess.CompletedProcess(arguments, code, *told)
        assert code == 0 or not check, done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Snakemake in the background; what it says is its stdout."""
        return subprocess.Popen(
            ["snakemake", *arguments],
            cwd=self.path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def python(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program of scripts/ by hand here."""
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=self.path, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def run(self, *arguments: str) -> None:
        """Run the study of config/config.yaml."""
        self.snakemake("--quiet", "all", "--", *(arguments or ("all",)))

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a run would do now, by rule."""
        out = self.snakemake("--dry-run", *arguments).stdout
        table = re.search(r"^Job stats:\n.*\n-.*\n((?:\S+ +\d+\n)+)", out, re.MULTILINE)
        if table is None:
            assert "Nothing to be done" in out
            return {}
        jobs = {name: int(count) for name, count in map(str.split, table[1].splitlines())}
        return {name: count for name, count in jobs.items() if name not in ("total", "all")}

    def copy(self, destination: Path) -> "Checkout":
        """Another one with the same results, to be changed at will; dates are kept."""
        return Checkout(shutil.copytree(self.path, destination, symlinks=True))

    def configure(self, change: Callable[[dict], None]) -> None:
        """Edit config/config.yaml."""
        file = self.path / "config/config.yaml"
        config = yaml.safe_load(file.read_text())
        change(config)
        file.write_text(yaml.safe_dump(config, sort_keys=False))

    def runs(self, method: str = "SimCLR") -> list[Path]:
        """Folders of the runs of a method."""
        return sorted((self.path / "results/all_results" / method).iterdir())


def environment() -> dict[str, str]:
    """A user's environment: programs beside python come first, and compiled modules are kept."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


@cache
def snakemake_server() -> subprocess.Popen[str]:
    """It ends with this process, whose pipe it reads."""
    return subprocess.Popen(
        [sys.executable, "-P", Path(__file__).with_name("snakemake_server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
        bufsize=1,
    )


def copy_project(destination: Path) -> Checkout:
    """A copy of the code whose default study is the tiny one."""
    destination.mkdir()
    for name in CODE:
        source = ROOT / name
        if source.is_symlink():
            (destination / name).symlink_to(source.readlink())
        elif source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, destination / name, ignore=ignored)
        else:
            shutil.copy2(source, destination / name)
    (destination / "config/config.yaml").write_text(STUDY)
    return Checkout(destination)


@pytest.fixture
def fresh(tmp_path: Path) -> Checkout:
    """The project as cloned, with nothing run."""
    return copy_project(tmp_path / "fresh")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable], Checkout]:
    """`made_once(name, make)`: the project after `make`, which one of pytest's processes runs."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def made(name: str, make: Callable[[Checkout], None]) -> Checkout:
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / name).exists():
                checkout = copy_project(folder / f"unfinished {name}")
                make(checkout)
                checkout.path.rename(folder / name)
        return Checkout(folder / name)

    return made


@pytest.fixture
def finished(made_once: Callable, tmp_path: Path) -> Checkout:
    """The project after its study, to be changed at will."""
    return made_once("finished", Checkout.run).copy(tmp_path / "project")


@pytest.fixture
def prepared(finished: Checkout) -> Checkout:
    """The project with its datasets prepared, and nothing trained."""
    shutil.rmtree(finished.path / "results/all_results")
    return finished


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """Path of a program; without it the test skips, and fails in continuous integration."""

    def require(name: str) -> str:
        path = shutil.which(name)
        if path is None and "CI" in os.environ:
            pytest.fail(f"{name} is not installed, and continuous integration must run this test")
        return path or pytest.skip(f"{name} is not installed")

    return require


@pytest.fixture(scope="session")
def browser(require_program: Callable[[str], str]) -> Iterator[webdriver.Chrome]:
    """Chromium without a window and without any network but this machine's."""
    options = webdriver.ChromeOptions()
    options.binary_location = require_program("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1400,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(require_program("chromedriver")))
    driver.implicitly_wait(5)
    yield driver
    driver.quit()
