"""The documented commands, on a fresh copy of the project."""

import csv
import json
import subprocess

import pytest
import yaml

from tests.integration.conftest import FIGURE, ROOT


def test_the_figure_needs_no_flag_and_comes_as_pdf_and_png(finished) -> None:
    pdf = finished.path / FIGURE
    assert pdf.read_bytes().startswith(b"%PDF")
    assert pdf.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    pdf.unlink()
    assert finished.planned(FIGURE) == {"plot": 1}
    finished.snakemake(FIGURE)
    assert pdf.exists()


@pytest.mark.parametrize("profile", [(), ("--profile", "slurm")], ids=["local", "slurm"])
def test_a_dry_run_lists_every_job(fresh, profile) -> None:
    assert fresh.planned(*profile) == {
        "prepare_dataset": 2,
        "pretrain": 2,
        "rank_dataset": 4,
        "rankme": 2,
        "finetune": 4,
        "accuracy": 4,
        "record_study": 1,
        "collect": 1,
        "analyse": 1,
        "plot": 1,
    }


@pytest.mark.parametrize("graph", ["--dag", "--rulegraph"])
def test_a_graph_is_clean_dot_that_graphviz_draws(fresh, graph, require_program) -> None:
    dot = require_program("dot")
    text = fresh.snakemake(graph).stdout
    drawn = subprocess.run([dot, "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    assert "<svg" in drawn.stdout
    assert "pretrain" in drawn.stdout


def test_a_second_config_replaces_the_default_study_as_a_whole(fresh) -> None:
    other = yaml.safe_load((fresh.path / "config/config.yaml").read_text())
    assert other.pop("encoder")["width"] == 4
    (fresh.path / "config/other.yaml").write_text(yaml.safe_dump(other))
    out = fresh.snakemake("--configfile", "config/other.yaml", "-n", "-p").stdout
    commands = [line for line in out.splitlines() if "scripts/pretrain.py" in line]
    assert all('"encoder":{},' in line for line in commands)


def test_values_on_the_command_line_replace_those_of_the_study(fresh) -> None:
    values = ("--config", "training={epochs: 2}", "seeds=[0,1]")
    out = fresh.snakemake("-n", "-p", *values).stdout
    commands = [line for line in out.splitlines() if "scripts/pretrain.py" in line]
    assert len(commands) == 4
    assert all('"epochs":2,' in line for line in commands)


def test_results_and_logs_go_where_the_config_says(fresh, tmp_path) -> None:
    fresh.configure(lambda c: c.update(pathvars={"results": f"{tmp_path}/elsewhere"}))
    done = fresh.snakemake("--until", "prepare_dataset")
    assert (tmp_path / "elsewhere/datasets/little-shapes/DATASET").exists()
    assert not (fresh.path / "results/datasets").exists(), done.stderr


def test_every_number_of_the_table_stands_in_the_file_it_names(finished) -> None:
    results = finished.path / "results"
    with (results / "tables/results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * len(finished.runs())
    for row in rows:
        accuracy = json.loads((results / row["accuracy_file"]).read_text())
        rank = json.loads((results / row["rankme_file"]).read_text())
        assert float(row["top1"]) == accuracy["top1"]
        assert float(row["rankme"]) == rank["datasets"][rank["source"]]["embedding"]["rankme"]


def test_the_default_study_has_four_runs_of_each_method() -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    swept = {m["name"]: m["sweeps"] for m in config["methods"]}
    assert len(swept["SimCLR"]["temperature"]) >= 4
    assert len(swept["VICReg"]["covariance"]) >= 4


def test_the_workflow_catalog_has_the_three_files_that_it_asks_for() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"]
    for name in ("workflow/Snakefile", "config/README.md"):
        assert (ROOT / name).read_text()


def test_the_conda_environment_has_the_versions_of_the_pinned_requirements() -> None:
    pinned = {
        line.removesuffix(" \\").strip()
        for line in (ROOT / "envs/requirements.txt").read_text().splitlines()
        if "==" in line
    }
    conda = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())["dependencies"]
    assert set(conda[-1]["pip"]) == pinned
