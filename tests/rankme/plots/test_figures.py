"""Every figure draws what the tables hold, from a made-up study and from what a study may lack."""

import json
import re
import subprocess
import sys
from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import plot
from rankme.analysis.collect import collect
from rankme.analysis.curves import CONVERGENCE, SPECTRA, TRAINING
from rankme.analysis.selection import select
from rankme.analysis.statistics import correlate
from rankme.analysis.tables import write_table
from rankme.errors import UserError
from rankme.metrics import METRICS
from rankme.plots import figures as plots
from rankme.plots import style
from rankme.plots.figures import FIGURES
from rankme.plots.tables import Tables
from tests.rankme.analysis.synthetic import TARGETS, make_run, make_study, study_table, write_tree

METHODS = ("SimCLR", "VICReg", "DINO")
RUNS = 7
Figures = dict[str, Figure]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("study")
    runs = [
        make_run(method, f"lr={i}", "lr" if i else "default", lr=i + 1)
        for method in METHODS
        for i in range(RUNS)
    ]
    write_tree(folder, runs, "shapes", TARGETS)
    tables = collect(make_study(), runs, folder)._asdict()
    results = tables["results"]
    tables |= {"correlations": correlate(results), "selection": select(results)}
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table, "tiny", "0012e34567")
    return Tables(folder)


@pytest.fixture(scope="module")
def figures(tables: Tables) -> Figures:
    made = {name: plots.draw(name, tables) for name in FIGURES}
    for figure in made.values():
        figure.draw_without_rendering()
    return made


def drawn(figure: Figure) -> list[Text]:
    """Texts that are seen: matplotlib also keeps labels of ticks beyond the ends of an axis."""
    hidden = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    texts = figure.findobj(Text)
    return [t for t in texts if t.get_visible() and t.get_text().strip() and id(t) not in hidden]


@pytest.mark.parametrize("name", FIGURES)
def test_no_two_labels_overlap_and_none_leaves_the_page(figures: Figures, name: str) -> None:
    page = figures[name].bbox.padded(1)
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn(figures[name])]
    for text, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1, text
        assert page.y0 <= box.y0 < box.y1 <= page.y1, text
    for (text, box), (other_text, other) in combinations(boxes, 2):
        assert not box.shrunk(0.9, 0.8).overlaps(other.shrunk(0.9, 0.8)), (text, other_text)


@pytest.mark.parametrize(
    "name", ["rank_over_training", "training_curves", "spectra", "sample_size_convergence"]
)
def test_a_line_each_run_and_a_panel_each_method(figures: Figures, name: str) -> None:
    panels = figures[name].axes[: len(METHODS)]
    assert [axes.get_title("left") for axes in panels] == list(METHODS)
    for axes in panels:
        lines = [c for c in axes.collections if isinstance(c, LineCollection)]
        assert sum(len(c.get_segments()) for c in lines) == RUNS


def test_lines_hold_the_numbers_of_the_table(figures: Figures, tables: Tables) -> None:
    """Convergence is relative to all samples."""
    first = "method == 'SimCLR' and run == 'lr=0'"
    loss, ranks = tables.training.query(first), tables.convergence.query(first)
    expected = {
        "training_curves": (loss["epoch"], loss["loss"]),
        "sample_size_convergence": (ranks["samples"], ranks["mean"] / ranks["mean"].iloc[-1]),
    }
    for name, columns in expected.items():
        segment = figures[name].axes[0].collections[0].get_segments()[0]
        assert np.allclose(segment.T, columns)


def test_each_metric_has_its_rho_and_interval(figures: Figures, tables: Tables) -> None:
    axes = figures["metric_comparison"].axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [metric.label for metric in METRICS.values()]
    chosen = tables.correlations.query(
        "method == 'SimCLR' and sweep == 'all' and runs == 'non-degenerate'"
        " and layer == 'embedding' and role == 'mean'"
    )
    points = next(line for line in axes.lines if line.get_marker() == "o")
    assert np.allclose(points.get_xdata(), chosen["spearman"])
    bars = axes.collections[0].get_segments()
    assert np.allclose([b[0][0] for b in bars], chosen["spearman_low"])


def test_regret_stands_beside_random_choice_and_default(figures: Figures, tables: Tables) -> None:
    axes = figures["selection_regret"].axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    first = ["random choice", "default settings", "RankMe", "RankMe, plateau rule"]
    assert labels == [*first, *(m.label for name, m in METRICS.items() if name != "rankme")]
    chosen = tables.selection.query(
        "method == 'SimCLR' and sweep == 'lr' and runs == 'non-degenerate' and dataset == 'shapes'"
        " and metric == 'rankme' and layer == 'embedding' and rule == 'highest'"
    ).iloc[0]
    places = {round(y): x for x, y in axes.lines[0].get_xydata()}
    assert places[2] == pytest.approx(100 * chosen["regret"])
    assert places[0] == pytest.approx(100 * (chosen["best_top1"] - chosen["random_top1"]))


def test_rank_on_a_target_is_drawn_against_that_on_the_source(
    figures: Figures, tables: Tables
) -> None:
    axes = figures["rank_source_vs_target"].axes[0]
    rows = tables.results.query("dataset == 'digits'")
    points = np.concatenate([line.get_xydata() for line in axes.lines if line.get_marker() == "o"])
    expected = rows[["rankme", "rankme_on_dataset"]].to_numpy()
    assert np.allclose(sorted(points.tolist()), sorted(expected.tolist()))


@pytest.mark.parametrize("name", FIGURES)
def test_one_run_without_target_metric_or_label_is_still_a_figure(name: str) -> None:
    results = study_table({"SimCLR": [(10.0, np.nan)]}, ("shapes",)).assign(rankme_on_dataset=10.0)
    columns = {"training": TRAINING, "spectra": SPECTRA, "convergence": CONVERGENCE}
    tables = {table: pd.DataFrame(columns=list(c)) for table, c in columns.items()}
    tables |= {"results": results, "correlations": correlate(results), "selection": select(results)}
    assert any(text.get_text() for text in plots.draw(name, Tables.of(**tables)).findobj(Text))


def test_titles_are_known_without_loading_what_draws() -> None:
    code = "import sys; from rankme.plots.figures import FIGURES as f; print(*f, *sys.modules)"
    names = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert names[: len(FIGURES)] == list(FIGURES)
    assert not {"matplotlib", "pandas"} & set(names)


def test_a_table_of_another_study_is_refused(tmp_path: Path, tables: Tables) -> None:
    write_table(tmp_path / "results.csv", tables.results, *tables.label)
    write_table(tmp_path / "selection.csv", tables.selection, "other", "0012e34567")
    with pytest.raises(UserError, match=r"selection.csv: is of the study other"):
        plots.draw("selection_regret", Tables(tmp_path))


def test_the_program_draws_what_is_asked_for_the_same_every_time_and_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: Tables
) -> None:
    for folder in ("first", "second"):
        words = ["--tables", str(tables.folder), "--output", str(tmp_path / folder)]
        monkeypatch.setattr(sys, "argv", ["plot.py", *words, "--figures", "rank_vs_acc"])
        plot.main()
    names = ["rank_vs_acc.html", "rank_vs_acc.pdf", "rank_vs_acc.png"]
    page, pdf, png = ((tmp_path / "first" / name).read_bytes() for name in names)
    assert [page, pdf, png] == [(tmp_path / "second" / name).read_bytes() for name in names]
    assert sorted(file.name for file in (tmp_path / "first").iterdir()) == names
    whose = "study tiny, digest 0012e34567"
    data = page.partition(b'type="application/json">')[2].partition(b"</script>")[0]
    assert json.loads(data)["study"] == whose
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf  # embedded
    assert not re.search(rb"/Type3|CreationDate", pdf)
    assert f"/Subject ({whose})".encode() in pdf
    assert f"/Title (rank_vs_acc, {whose})".encode() in pdf
    image = Image.open(BytesIO(png))
    assert image.convert("L").getextrema() == (0, 255)
    assert (image.text["Title"], image.text["Subject"]) == (f"rank_vs_acc, {whose}", whose)


@pytest.mark.parametrize("suffix", [".svg2", "", ".csv"])
def test_a_suffix_that_cannot_be_written_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"figure.*: a figure is written as \.pdf"):
        style.save(style.nothing_to_draw("empty"), tmp_path / f"figure{suffix}", "", "")
