"""Every figure draws what the tables hold, from a made-up study and from what a study may lack."""

import json
import subprocess
import sys
from io import BytesIO
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
def figures(tables: Tables) -> dict[str, Figure]:
    made = {name: plots.draw(name, tables) for name in FIGURES}
    for figure in made.values():
        figure.canvas.draw()
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
def test_no_two_labels_overlap_and_none_leaves_the_page(
    figures: dict[str, Figure], name: str
) -> None:
    figure = figures[name]
    boxes = [(t.get_text(), t.get_window_extent()) for t in drawn(figure)]
    for index, (text, box) in enumerate(boxes):
        assert figure.bbox.x0 - 1 <= box.x0, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 - 1 <= box.y0, text
        assert box.y1 <= figure.bbox.y1 + 1, text
        for other_text, other in boxes[index + 1 :]:
            apart = box.shrunk(0.9, 0.8)
            assert not apart.overlaps(other.shrunk(0.9, 0.8)), (text, other_text)


@pytest.mark.parametrize(
    "name", ["rank_over_training", "training_curves", "spectra", "sample_size_convergence"]
)
def test_a_line_each_run_and_a_panel_each_method(figures: dict[str, Figure], name: str) -> None:
    panels = figures[name].axes[: len(METHODS)]
    assert [axes.get_title("left") for axes in panels] == list(METHODS)
    for axes in panels:
        lines = [c for c in axes.collections if isinstance(c, LineCollection)]
        assert sum(len(c.get_segments()) for c in lines) == RUNS


def test_lines_hold_the_numbers_of_the_table(figures: dict[str, Figure], tables: Tables) -> None:
    axes = figures["training_curves"].axes[0]
    first = axes.collections[0].get_segments()[0]
    rows = tables.training.query("method == 'SimCLR' and run == 'lr=0'")
    assert np.allclose(first, rows[["epoch", "loss"]])


def test_convergence_is_relative_to_all_samples(figures: dict[str, Figure], tables: Tables) -> None:
    segment = figures["sample_size_convergence"].axes[0].collections[0].get_segments()[0]
    rows = tables.convergence.query("method == 'SimCLR' and run == 'lr=0'")
    assert np.allclose(segment[:, 1], rows["mean"] / rows["mean"].iloc[-1])


def test_each_metric_has_its_rho_and_interval(figures: dict[str, Figure], tables: Tables) -> None:
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


def test_regret_stands_beside_random_choice_and_default(
    figures: dict[str, Figure], tables: Tables
) -> None:
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


def test_rank_on_a_target_is_drawn_against_rank_on_the_source(
    figures: dict[str, Figure], tables: Tables
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


def test_saving_gives_an_embedded_font_pdf_and_a_png_the_same_every_time(
    tmp_path: Path, tables: Tables
) -> None:
    paths = [tmp_path / "first" / "figure.pdf", tmp_path / "second" / "figure.pdf"]
    for path in paths:
        style.save(plots.draw("rank_vs_acc", tables), path, *tables.label)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: Tables
) -> None:
    words = ["--tables", str(tables.folder), "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["plot.py", *words, "--figures", "rank_vs_acc"])
    plot.main()
    page, pdf, png = (tmp_path / f"rank_vs_acc.{kind}" for kind in ("html", "pdf", "png"))
    assert sorted(tmp_path.iterdir()) == [page, pdf, png]
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
        style.save(style.nothing_to_draw("empty"), tmp_path / f"figure{suffix}", "", "")
