"""`make ui`: MLflow's page on the local store, looked at by a browser without a network."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from rankme.tracking.publishing import Publication
from tests.integration.conftest import ROOT
from tests.rankme.tracking.studies import runs_of, study_of, write_study
from tests.stores import free_port, wait_until

SCREENSHOTS = ROOT / "results" / "screenshots"
"""Kept for a person to look at."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """Address of the page that `make ui` serves."""
    results, runs = tmp_path / "results", runs_of(4)
    write_study(results, runs, epochs=30)
    publication = Publication(study_of(), runs, results, models=False)
    publication.publish(f"sqlite:///{results}/tracking/mlflow.db")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    port = free_port()
    # Nothing of the environment is built here: `ready` is there already.
    words = ["make", "ui", f"PORT={port}", "--assume-old", ".venv/bin/.ready"]
    with (tmp_path / "ui.log").open("w") as log:
        server = subprocess.Popen(
            words, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    curl = ["curl", "--silent", "--fail", f"{address}/health"]
    wait_until(lambda: subprocess.run(curl, capture_output=True).returncode == 0)
    yield address
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def test_the_page_shows_the_runs_and_a_training_curve(page, browser) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    browser.get(f"{page}/#/experiments/1/runs")
    wait_until(lambda: all(run.name in text(browser) for run in runs_of(4)))
    assert "summary of made-up" in text(browser)
    browser.save_screenshot(str(SCREENSHOTS / "runs.png"))
    links = browser.find_elements(By.CSS_SELECTOR, "a[href*='/runs/']")
    (link,) = [link for link in links if runs_of(4)[3].name in link.text]
    browser.get(f"{link.get_attribute('href')}/model-metrics")
    search = (By.CSS_SELECTOR, "input[placeholder='Search metric charts']")
    wait_until(lambda: browser.find_elements(*search))
    browser.find_element(*search).send_keys("training/loss")
    curve = (By.CSS_SELECTOR, ".js-plotly-plot path.js-line")
    wait_until(lambda: browser.find_elements(*curve))
    browser.save_screenshot(str(SCREENSHOTS / "curve.png"))
    assert browser.find_element(*curve).get_attribute("d").count("L") > 5


def text(browser: webdriver.Chrome) -> str:
    """What can be read on the page now."""
    return str(browser.find_element(By.TAG_NAME, "body").text)
