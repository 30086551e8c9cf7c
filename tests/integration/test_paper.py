"""The configs of the paper's study, as Snakemake itself lists them, against science.md's table."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

# The best known grids of the paper: each sweep's values around a default point.
TABLE: dict[str, tuple[dict[str, float], dict[str, list[float]]]] = {
    "SimCLR": (
        {"temperature": 0.15, "lr": 0.5, "weight_decay": 1e-6},
        {
            "temperature": [0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4],
            "lr": [0.2, 0.3, 0.4, 0.5, 0.6, 0.8],
            "weight_decay": [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2],
        },
    ),
    "VICReg": (
        {"invariance": 25, "variance": 25, "covariance": 4, "lr": 0.3, "weight_decay": 1e-6},
        {
            "covariance": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 4, 8, 16],
            "invariance": [5, 10, 15, 20, 25, 30, 35, 40, 45, 50],
            "lr": [0.1, 0.2, 0.3, 0.4, 0.5],
            "weight_decay": [1e-7, 1e-6, 1e-5, 1e-4, 1e-3],
        },
    ),
    "VICReg-exp": (
        {"invariance": 1, "variance": 1, "covariance": 1, "temperature": 0.1, "lr": 0.5},
        {"temperature": [0.05, 0.07, 0.1, 0.2, 0.3, 0.4], "variance": [0.1, 0.5, 2, 4, 8]},
    ),
    "VICReg-ctr": (
        {"invariance": 1, "variance": 1, "covariance": 1, "temperature": 0.1, "lr": 0.5},
        {"temperature": [0.05, 0.07, 0.1, 0.2, 0.3, 0.4], "variance": [0.1, 0.5, 2, 4, 8]},
    ),
    "DINO": (
        {"student_temperature": 0.1, "teacher_temperature": 0.04},
        {
            "student_temperature": [0.07, 0.1, 0.2, 0.3, 0.4],
            "teacher_temperature": [0.01, 0.02, 0.03, 0.04, 0.05],
        },
    ),
}
RUNS = {"SimCLR": 19, "VICReg": 31, "VICReg-exp": 13, "VICReg-ctr": 13, "DINO": 11}
TARGETS = {
    "cifar10",
    "cifar100",
    "inaturalist2018",
    "inaturalist2021-mini",
    "sun397",
    "places365",
    "eurosat",
    "stanford-cars",
    "food101",
    "clevr-count",
    "caltech101",
    "voc2007",
}
# In one process, whose fixtures list each config once.
pytestmark = pytest.mark.xdist_group("paper")

Point = tuple[str, frozenset[tuple[str, float]], int]


def expected_runs() -> set[Point]:
    """Every point of the table with seed 0, and each default point with seeds 1 and 2 as well."""
    runs: set[Point] = set()
    for method, (default, sweeps) in TABLE.items():
        runs |= {(method, frozenset(default.items()), seed) for seed in (0, 1, 2)}
        for key, values in sweeps.items():
            points = ({**default, key: value} for value in values)
            runs |= {(method, frozenset(point.items()), 0) for point in points}
    return runs


def listed_run(method: str, folder: str) -> Point:
    """A run as its folder's name tells it; what stands at its default there is filled in."""
    shown = dict(part.split("=") for part in folder.rpartition("-")[0].split("+"))
    default = TABLE[method][0]
    point = {key: float(shown.get(key, value)) for key, value in default.items()}
    return method, frozenset(point.items()), int(shown["seed"])


@pytest.fixture(scope="module", params=["paper", "paper-imagenet"])
def listed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `snakemake -n --configfile` prints of a config, in a copy without any dataset."""
    from tests.integration.conftest import copy_project

    checkout = copy_project(tmp_path_factory.mktemp(request.param) / "project")
    arguments = ("--dry-run", "--configfile", f"config/{request.param}.yaml")
    return checkout.snakemake(*arguments).stdout


def pretrained(listed: str) -> list[tuple[str, str]]:
    pattern = r"output: results/all_results/([^/]+)/([^/]+)/PRETRAINED_MODEL,"
    return re.findall(pattern, listed)


def test_the_runs_of_each_method_are_as_many_as_in_the_table(listed: str) -> None:
    runs = pretrained(listed)
    assert Counter(method for method, _ in runs) == RUNS
    assert len(runs) == sum(RUNS.values()) == 87


def test_the_runs_are_exactly_those_of_the_table(listed: str) -> None:
    runs = [listed_run(method, folder) for method, folder in pretrained(listed)]
    assert len(set(runs)) == len(runs)
    assert set(runs) == expected_runs()


@pytest.mark.parametrize("method", TABLE)
def test_each_sweep_has_its_values_of_the_table(listed: str, method: str) -> None:
    default, sweeps = TABLE[method]
    runs = [listed_run(*run) for run in pretrained(listed) if run[0] == method]
    points = [dict(point) for _, point, seed in runs if seed == 0]
    for key, values in sweeps.items():
        others = {name: value for name, value in default.items() if name != key}
        along = [point for point in points if others.items() <= point.items()]
        assert sorted(point[key] for point in along) == sorted({*values, default[key]})


def test_every_run_is_evaluated_on_its_source_and_all_targets(listed: str) -> None:
    pattern = r"output: results/all_results/[^/]+/[^/]+/([^/]+)/ACCURACY"
    counts = Counter(re.findall(pattern, listed))
    source = next(iter(counts.keys() - TARGETS))
    assert counts == dict.fromkeys(TARGETS | {source}, 87)


@pytest.mark.parametrize(
    ("file", "source", "encoder", "widths"),
    [
        ("paper", "tiny-imagenet", "resnet18", [2048, 2048, 1024]),
        ("paper-imagenet", "imagenet", "resnet50", [8192, 8192, 2048]),
    ],
)
def test_source_and_networks_are_those_of_the_study(
    file: str, source: str, encoder: str, widths: list[int]
) -> None:
    config: dict[str, Any] = yaml.safe_load((ROOT / f"config/{file}.yaml").read_text())
    assert (config["source"], config["encoder"]["name"]) == (source, encoder)
    assert config["projector"]["widths"] == widths
