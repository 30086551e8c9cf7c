"""The report in a real browser, and the answer of studies with and without labels."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By

from tests.integration.conftest import Checkout

FIGURES = (
    "rank_vs_acc",
    "metric_comparison",
    "selection_regret",
    "rank_source_vs_target",
    "rank_over_training",
    "training_curves",
    "spectra",
    "sample_size_convergence",
)


# In one process, whose fixture writes the report once.
pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture(scope="module")
def reported(made_once, tmp_path_factory: pytest.TempPathFactory):
    """The project after its study and its report, to be looked at."""
    finished = made_once("finished", Checkout.run)
    checkout = finished.copy(tmp_path_factory.mktemp("reported") / "project")
    checkout.snakemake("--report", "results/report.html")
    return checkout


def requested(browser: webdriver.Chrome) -> list[str]:
    """Addresses that the page asked for."""
    entries = (json.loads(e["message"])["message"] for e in browser.get_log("performance"))
    sent = [e["params"]["request"]["url"] for e in entries if e["method"].endswith("WillBeSent")]
    return [url for url in sent if not url.startswith(("data:", "file:", "chrome:", "blob:"))]


def errors(browser: webdriver.Chrome) -> list[str]:
    """Errors on the console. Snakemake's page warns of its own style sheet and Vega version."""
    return [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]


def choose(browser: webdriver.Chrome, category: str, label: str) -> None:
    """Open one result of the report by its label."""
    browser.find_element(By.LINK_TEXT, category).click()
    rows = browser.find_elements(By.CSS_SELECTOR, "tr")
    row = next(r for r in rows if r.text.strip() == label)
    row.find_element(By.CSS_SELECTOR, "a[iconname=eye]").click()


def test_the_report_answers_in_a_browser_without_network(reported, browser) -> None:
    report = (reported.path / "results/report.html").as_uri()
    browser.get(report)
    page = browser.find_element(By.TAG_NAME, "body").text
    for text in ("The answer", "RankMe, ", "undecided", "C14", "little-shapes"):
        assert text in page, text
    assert browser.find_elements(By.CSS_SELECTOR, "canvas, svg.marks"), "the rules are drawn"
    heading = browser.find_element(By.TAG_NAME, "h1")
    assert heading.location["y"] >= 0, "the head of the page cannot be scrolled to"

    browser.find_element(By.LINK_TEXT, "Tables").click()
    tables = {row.text.strip() for row in browser.find_elements(By.CSS_SELECTOR, "tr")}
    assert {"all runs and datasets", "claims", "correlations", "selected", "selection"} <= tables

    browser.get(report)
    choose(browser, "Figures", "accuracy against RankMe")
    image = browser.find_element(By.CSS_SELECTOR, "img[src^='data:image/png']")
    drawn = Image.open(reported.path / "results/plots/rank_vs_acc.png")
    assert image.get_property("naturalWidth") == drawn.width
    html = (reported.path / "results/report.html").read_text()
    for figure in FIGURES:
        assert f"results/plots/{figure}.png" in html
    assert "2 in all" in html, "a caption states n"

    browser.get(report)
    browser.find_element(By.LINK_TEXT, "Statistics").click()
    assert browser.find_elements(By.CSS_SELECTOR, "canvas, svg.marks"), "run times are drawn"
    assert errors(browser) == []
    assert requested(browser) == []


def test_pointing_at_a_run_in_the_report_shows_what_it_is(reported, browser) -> None:
    browser.get((reported.path / "results/report.html").as_uri())
    choose(browser, "Figures", "accuracy against RankMe, to point at")
    browser.switch_to.frame(browser.find_element(By.TAG_NAME, "iframe"))
    dots = browser.find_elements(By.TAG_NAME, "circle")
    assert {dot.get_attribute("data-run") for dot in dots} == {r.name for r in reported.runs()}
    for dot in dots:
        ActionChains(browser).move_to_element(dot).perform()
        said = browser.find_element(By.ID, "about").text
        run = dot.get_attribute("data-run")
        assert f"{run}/PRETRAINED_MODEL" in said
        assert f"{run}/little-shapes/ACCURACY" in said
        assert "temperature" in said
    assert errors(browser) == []


def test_the_study_ends_with_a_plain_sentence(finished) -> None:
    (finished.path / "results/plots/rank_vs_acc.pdf").unlink()
    done = finished.snakemake()
    with (finished.path / "results/tables/selected.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert f"Of 2 SimCLR runs use {row['run']} (results/{row['model']})" in done.stderr
    assert "Of 2 SimCLR runs" not in done.stdout
    assert (finished.path / "results" / row["model"]).exists()


def test_a_study_without_any_label_says_which_run_to_use(fresh, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for i in range(60):
        (folder / f"day {i % 3}").mkdir(parents=True, exist_ok=True)
        picture = Image.effect_noise((16, 16), 10 + i).convert("RGB")
        picture.save(folder / f"day {i % 3}" / f"{i}.png")
    pictures = {"reader": "unlabelled_folder", "size": 16, "root": str(folder)}
    datasets = {"pictures": pictures}
    fresh.configure(lambda c: c.update(source="pictures", targets=[], datasets=datasets))
    planned = fresh.planned()
    assert "finetune" not in planned
    assert "accuracy" not in planned
    done = fresh.snakemake()
    assert "Of 2 SimCLR runs use " in done.stderr
    assert "No dataset has labels" in done.stderr
    tables = fresh.path / "results/tables"
    with (tables / "selected.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    with (tables / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    best = max(rows, key=lambda r: float(r["rankme"]))
    assert row["run"] == best["run"]
    assert {r["top1"] for r in rows} == {""}
    with (tables / "claims.csv").open() as stream:
        assert {r["verdict"] for r in csv.DictReader(stream)} == {"undecided"}
    assert (fresh.path / "results/plots/rank_vs_acc.pdf").exists()


def test_tables_are_collected_by_hand_from_a_config(finished) -> None:
    collect = ("scripts/collect_results.py", "--study=config/config.yaml", "--output=by-hand")
    finished.python(*collect)
    for name in ("results", "training", "spectra", "convergence"):
        made = finished.path / f"results/tables/{name}.csv"
        assert (finished.path / f"by-hand/{name}.csv").read_bytes() == made.read_bytes()
