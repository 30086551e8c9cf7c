"""`pip install .`: the library in a fresh environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.integration.conftest import ROOT

USE = """
from importlib.util import find_spec
import numpy as np
from rankme.metrics import METRICS, rankme

assert not any(map(find_spec, ("torch", "pydantic", "pandas", "yaml")))
assert len(METRICS) > 10
print(rankme(np.eye(6, dtype="float32")))
"""


@pytest.fixture
def with_numpy_alone(tmp_path: Path) -> Path:
    """Folder of packages that holds the installed library and numpy."""
    project, packages = tmp_path / "project", tmp_path / "packages"
    project.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    shutil.copytree(ROOT / "scripts", project / "scripts")
    subprocess.run(
        [
            *(Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--offline"),
            *("--python", sys.executable, "--target", packages),
            *("--no-deps", "--no-build-isolation", project),
        ],
        check=True,
    )
    installed = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        (packages / name).symlink_to(installed / name)
    return packages


def test_the_metrics_need_numpy_alone(with_numpy_alone: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", USE],  # -S: without the packages of this environment
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(with_numpy_alone)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(6, rel=1e-4)
    assert (with_numpy_alone / "rankme/plots/interactive.html").exists()
