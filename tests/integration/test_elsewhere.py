"""The workflow used from another folder: by `--directory`, and as a module of another workflow."""

from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import FIGURE, STUDY, Checkout

CALLER = """
configfile: "settings.yaml"


module rankme:
    snakefile:
        "{project}/workflow/Snakefile"
    config:
        config["encoders"]


use rule * from rankme


rule paper:
    default_target: True
    input:
        "results/plots/rank_vs_acc.pdf",
    output:
        "paper/figure.pdf",
    shell:
        "cp {{input}} {{output}}"
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Checkout:
    """A folder with a study of one run and its own datasets, and no code."""
    study = yaml.safe_load(STUDY)
    datasets = {f"my-{name}": declared for name, declared in study["datasets"].items()}
    study |= {"source": "my-little-shapes", "targets": [], "datasets": "config/mine.yaml"}
    del study["methods"][0]["sweeps"]
    folder = tmp_path / "elsewhere"
    (folder / "config").mkdir(parents=True)
    (folder / "config/mine.yaml").write_text(yaml.safe_dump(datasets))
    (folder / "config/config.yaml").write_text(yaml.safe_dump(study))
    return Checkout(folder)


def test_a_study_in_another_directory_is_found_and_its_results_lie_beside_it(
    fresh, elsewhere, tmp_path: Path
) -> None:
    (tmp_path / "third").mkdir()
    place = ("-s", f"{fresh.path}/Snakefile", "--directory", str(elsewhere.path))
    Checkout(tmp_path / "third").snakemake(*place, FIGURE)
    assert_study_is_there(elsewhere)
    assert list((tmp_path / "third").iterdir()) == []
    assert not (fresh.path / "results").exists()


def test_another_workflow_uses_all_rules_with_a_config_of_its_own(fresh, elsewhere) -> None:
    (elsewhere.path / "Snakefile").write_text(CALLER.format(project=fresh.path))
    config = elsewhere.path / "config/config.yaml"
    settings = {"encoders": yaml.safe_load(config.read_text())}
    (elsewhere.path / "settings.yaml").write_text(yaml.safe_dump(settings))
    config.unlink()
    elsewhere.snakemake("--cores", "2")
    assert_study_is_there(elsewhere)
    assert (elsewhere.path / "paper/figure.pdf").read_bytes().startswith(b"%PDF")
    assert not (fresh.path / "results").exists()


def assert_study_is_there(place: Checkout) -> None:
    (run,) = place.runs()
    assert (run / "my-little-shapes/ACCURACY").exists()
    assert (place.path / FIGURE).read_bytes().startswith(b"%PDF")
    assert place.path.joinpath("logs/default/plot.log").exists()
