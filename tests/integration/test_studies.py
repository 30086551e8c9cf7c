"""Several studies in one tree: each has its own tables and figures, and speaks of itself alone."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from PIL import Image

from tests.integration.conftest import FIGURE, Checkout

# In one process, whose fixtures run the second study once.
pytestmark = pytest.mark.xdist_group("studies")

OTHER = ("--configfile", "config/other.yaml")
OWN = "results/studies/other"
TABLES = ("results", "training", "spectra", "convergence", "correlations", "selection", "claims")


@pytest.fixture(scope="module")
def both(made_once, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The default study, published, and one called `other` of another probe and no target."""
    finished = made_once("finished", Checkout.run)
    checkout = finished.copy(tmp_path_factory.mktemp("both") / "project")
    checkout.configure(lambda config: config.update(tracking={"enabled": True}))
    checkout.run()
    other = yaml.safe_load((checkout.path / "config/config.yaml").read_text())
    other["probe"]["epochs"], other["targets"] = 3, []
    (checkout.path / "config/other.yaml").write_text(yaml.safe_dump(other))
    return checkout


@pytest.fixture(scope="module")
def of_the_first(both) -> dict[Path, tuple[int, bytes]]:
    """Date and bytes of each file of the default study, before there is another."""
    return {
        file: (file.stat().st_mtime_ns, file.read_bytes())
        for place in ("tables", "plots", "STUDY", "PUBLISHED")
        for file in files(both.path / "results" / place)
    }


@pytest.fixture(scope="module")
def said(both, of_the_first) -> str:
    """What the second study's run says."""
    return both.snakemake(*OTHER).stderr


def files(place: Path) -> list[Path]:
    return [file for file in [place, *place.rglob("*")] if file.is_file()]
