"""What figures are saved as, and which the program draws."""

import json
import sys
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import plot
from rankme.analysis.selection import select
from rankme.analysis.statistics import correlate
from rankme.analysis.tables import Label, write_table
from rankme.errors import UserError
from rankme.plots import rank_vs_acc, style
from rankme.plots.tables import Tables
from tests.rankme.analysis.synthetic import study_table

LABEL = Label("tiny", "0012e34567")
"""The digest would be the number 12e34567 to who reads it as one."""
POINTS = [(10.0, 0.50), (30.0, 0.60), (20.0, 0.75), (25.0, 0.55)]


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    results = study_table({"SimCLR": POINTS, "VICReg": POINTS})
    return {"results": results, "correlations": correlate(results), "selection": select(results)}


def test_saving_gives_an_embedded_font_pdf_and_a_png_the_same_every_time(
    tmp_path: Path, tables: dict[str, pd.DataFrame]
) -> None:
    paths = [tmp_path / "first" / "figure.pdf", tmp_path / "second" / "figure.pdf"]
    for path in paths:
        style.save(rank_vs_acc.draw(Tables.of(**tables)), path, *LABEL)
    pdf = paths[0].read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert pdf == paths[1].read_bytes()
    png = paths[0].with_suffix(".png").read_bytes()
    assert Image.open(BytesIO(png)).convert("L").getextrema() == (0, 255)
    assert png == paths[1].with_suffix(".png").read_bytes()


def test_the_program_draws_the_figures_asked_for_and_each_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: dict[str, pd.DataFrame]
) -> None:
    for name, table in tables.items():
        write_table(tmp_path / f"{name}.csv", table, *LABEL)
    words = ["--tables", str(tmp_path), "--output", str(tmp_path / "plots")]
    monkeypatch.setattr(sys, "argv", ["plot.py", *words, "--figures", "rank_vs_acc"])
    plot.main()
    page, pdf, png = sorted((tmp_path / "plots").iterdir())
    assert [path.name for path in (page, pdf, png)] == [
        "rank_vs_acc.html",
        "rank_vs_acc.pdf",
        "rank_vs_acc.png",
    ]
    whose = "study tiny, digest 0012e34567"
    data = page.read_text().partition('type="application/json">')[2].partition("</script>")[0]
    assert json.loads(data)["study"] == whose
    assert f"/Subject ({whose})".encode() in pdf.read_bytes()
    assert f"/Title (rank_vs_acc, {whose})".encode() in pdf.read_bytes()
    text = Image.open(png).text
    assert (text["Title"], text["Subject"]) == (f"rank_vs_acc, {whose}", whose)


@pytest.mark.parametrize("suffix", [".svg2", "", ".csv"])
def test_a_suffix_that_cannot_be_written_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"figure.*: a figure is written as \.pdf"):
        style.save(style.nothing_to_draw("empty"), tmp_path / f"figure{suffix}", *LABEL)
