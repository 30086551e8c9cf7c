"""A copy of the project in which a tiny study has run once, and real `snakemake` calls on it."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).resolve().parents[2]
CODE = ("Snakefile", "workflow", "scripts", "config", "envs", "profiles", "slurm")
FIGURE = "results/plots/rank_vs_acc.pdf"

DATASETS = """
little-shapes: {reader: shapes, size: 16, options: {train_count: 80, test_count: 40}}
little-textures: {reader: textures, size: 16, options: {train_count: 80, test_count: 40}}
little-digits: {reader: digits, size: 16}
"""

STUDY = """
source: little-shapes
targets: [little-textures]
datasets: config/little.yaml
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
        """Run the real snakemake here."""
        return self._call("snakemake", *arguments, check=check)

    def python(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program of scripts/ by hand here."""
        return self._call(sys.executable, *arguments, check=check)

    def _call(self, *command: str, check: bool) -> subprocess.CompletedProcess[str]:
        bin_folder = str(Path(sys.executable).parent)
        environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            command,
            cwd=self.path,
            capture_output=True,
            text=True,
            env=environment,
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

    def configure(self, change: Callable[[dict], None]) -> None:
        """Edit config/config.yaml."""
        file = self.path / "config/config.yaml"
        config = yaml.safe_load(file.read_text())
        change(config)
        file.write_text(yaml.safe_dump(config, sort_keys=False))

    def runs(self, method: str = "SimCLR") -> list[Path]:
        """Folders of the runs of a method."""
        return sorted((self.path / "results/all_results" / method).iterdir())


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
    (destination / "config/little.yaml").write_text(DATASETS)
    (destination / "config/config.yaml").write_text(STUDY)
    return Checkout(destination)


@pytest.fixture
def fresh(tmp_path: Path) -> Checkout:
    """The project as cloned, with nothing run."""
    return copy_project(tmp_path / "fresh")


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Made once, by the first of pytest's processes that needs it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with (folder / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        checkout = Checkout(folder / "finished")
        if not checkout.path.exists():
            made = copy_project(folder / "unfinished")
            made.run()
            made.path.rename(checkout.path)
    return checkout


@pytest.fixture
def finished(_finished: Checkout, tmp_path: Path) -> Checkout:
    """The project after its study, to be changed at will; dates are kept."""
    return Checkout(shutil.copytree(_finished.path, tmp_path / "project", symlinks=True))


@pytest.fixture
def require_program() -> Callable[[str], str]:
    """Path of a program; without it the test skips, and fails in continuous integration."""

    def require(name: str) -> str:
        path = shutil.which(name)
        if path is None and "CI" in os.environ:
            pytest.fail(f"{name} is not installed, and continuous integration must run this test")
        return path or pytest.skip(f"{name} is not installed")

    return require


@pytest.fixture
def browser(require_program: Callable[[str], str]) -> Iterator[webdriver.Chrome]:
    """Chromium without a window and without any network."""
    options = webdriver.ChromeOptions()
    options.binary_location = require_program("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1400,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(require_program("chromedriver")))
    driver.implicitly_wait(5)
    yield driver
    driver.quit()
