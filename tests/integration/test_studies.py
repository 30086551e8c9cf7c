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


@pytest.fixture(scope="module")
def both(made_once, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The default study, published, and the config of `other`, which has its first run alone."""
    finished = made_once("finished", Checkout.run)
    checkout = finished.copy(tmp_path_factory.mktemp("both") / "project")
    checkout.configure(lambda config: config.update(tracking={"enabled": True}))
    checkout.run()
    other = yaml.safe_load((checkout.path / "config/config.yaml").read_text())
    del other["methods"][0]["sweeps"]
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


def test_a_second_study_writes_nothing_of_the_first(both, of_the_first, said) -> None:
    assert len(of_the_first) > 20
    found = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in of_the_first}
    assert found == of_the_first
    assert both.planned() == {}
    for name in ("STUDY", "PUBLISHED", "tables/answer.rst", "plots/rank_vs_acc.pdf"):
        assert (both.path / OWN / name).exists()
    assert "pretrain" not in said
    assert len(both.runs()) == 2, "runs belong to both"


def test_each_study_speaks_of_itself_alone(both, said) -> None:
    first, other = (label(both, place) for place in ("results", OWN))
    assert (first[0], other[0]) == ("default", "other")
    assert first[1] != other[1]
    assert f"Study other (digest {other[1]})" in said
    assert first[1] not in said

    both.snakemake(*OTHER, "--report", "results/other.html")
    report = (both.path / "results/other.html").read_text()
    assert f"Study: other, digest {other[1]}" in report
    assert "studies/other/plots/rank_vs_acc.png" in report
    assert first[1] not in report
    assert '"results/plots/' not in report

    client = MlflowClient(f"sqlite:///{both.path}/results/tracking/mlflow.db")
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    for name, place, runs in (("default", "results", 2), ("other", OWN, 1)):
        sent = client.search_runs([experiments[name]])
        assert f"summary of {name}" in {run.info.run_name for run in sent}
        assert len(sent) == runs + 1
        assert json.loads((both.path / place / "PUBLISHED").read_text())["study"] == name


def test_a_call_that_ends_before_its_answer_tells_no_other(both, said, tmp_path) -> None:
    project = both.copy(tmp_path / "project")
    new = yaml.safe_load((project.path / "config/other.yaml").read_text())
    new["methods"][0]["sweeps"] = {"temperature": [0.3]}
    (project.path / "config/new.yaml").write_text(yaml.safe_dump(new))
    told = project.snakemake("--configfile", "config/new.yaml", "--until", "pretrain").stderr
    assert "rule pretrain" in told
    assert "Study " not in told
    assert "RankMe" not in told


@pytest.mark.parametrize("place", ["results", OWN])
def test_name_and_digest_stand_in_all_that_a_study_writes(both, said, place: str) -> None:
    name, digest = label(both, place)
    folder = both.path / place
    for file in (folder / "tables").glob("*.csv"):
        with file.open() as stream:
            table = csv.DictReader(stream)
            assert table.fieldnames[:2] == ["study", "study_digest"], file
            assert {(row["study"], row["study_digest"]) for row in table} <= {(name, digest)}
    assert f"Study {name} (digest {digest})" in (folder / "tables/answer.rst").read_text()
    for png in (folder / "plots").glob("*.png"):
        assert f"study {name}, digest {digest}" in Image.open(png).text["Title"]
        assert f"study {name}, digest {digest}".encode() in png.with_suffix(".pdf").read_bytes()
    assert f"study {name}, digest {digest}" in (folder / "plots/rank_vs_acc.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((FIGURE, *OTHER), f"{FIGURE}: is of the study 'default'; that of 'other' is {OWN}/plots/"),
        ((f"{OWN}/tables/results.csv",), "is of the study 'other'; that of 'default' is results/t"),
        (("results/datasets/cifar100/DATASET",), "the study 'default' has no dataset 'cifar100'"),
        (("results/all_results/SimCLR/{run}x/RANKME_EVAL",), "no such run, did you mean '{run}'?"),
    ],
    ids=["figure", "table", "dataset", "run"],
)
def test_a_target_of_another_place_is_told_in_one_line(
    both, arguments: tuple[str, ...], message: str
) -> None:
    run = both.runs()[0].name
    words = [argument.format(run=run) for argument in arguments]
    done = both.snakemake("-n", *words, check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "profile" not in line]
    assert message.format(run=run) in line


def label(checkout: Checkout, place: str) -> tuple[str, str]:
    """Name and digest of a study, as its table of runs says them."""
    with (checkout.path / place / "tables/results.csv").open() as stream:
        row = next(csv.DictReader(stream))
    return row["study"], row["study_digest"]
