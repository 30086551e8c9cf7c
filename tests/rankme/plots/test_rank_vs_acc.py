"""The figure shows what the tables say: looked at through matplotlib's own objects."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from rankme.analysis.selection import select
from rankme.analysis.statistics import correlate
from rankme.errors import UserError
from rankme.plots import rank_vs_acc, style
from rankme.plots.tables import Tables
from tests.rankme.analysis.synthetic import study_table

POINTS = [(10.0, 0.50), (30.0, 0.60), (20.0, 0.75), (25.0, 0.55)]


def draw(results: pd.DataFrame) -> Figure:
    tables = {"correlations": correlate(results), "selection": select(results)}
    return rank_vs_acc.draw(Tables.of(results=results, **tables))


def study(methods: int = 2, targets: int = 3) -> pd.DataFrame:
    points = {
        f"Method {index}": [(rank + index, top1) for rank, top1 in POINTS]
        for index in range(methods)
    }
    return study_table(points, datasets=tuple(f"dataset {index}" for index in range(targets + 1)))


def title(axes: Axes) -> str:
    return axes.get_legend().get_title().get_text()


def header(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def points(axes: Axes, filled: bool) -> list[tuple[float, float]]:
    """Data of the runs drawn filled or hollow; the marks around runs have no face at all."""
    return [
        (float(x), float(y))
        for line in axes.lines
        if line.get_linestyle() == "None" and line.get_markerfacecolor() != "none"
        if (line.get_markerfacecolor() != "white") == filled
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


def marks(axes: Axes, marker: str) -> list[Line2D]:
    lines = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    return [line for line in lines if line.get_marker() == marker]


def test_a_panel_each_for_source_targets_and_their_mean() -> None:
    figure = draw(study(targets=11))
    titles = [title(axes) for axes in figure.axes]
    expected = ["dataset 0 (source)", *(f"dataset {index}" for index in range(1, 12))]
    assert titles == [*expected, "mean over targets"]


def test_one_target_needs_no_panel_for_its_mean() -> None:
    titles = [title(axes) for axes in draw(study(targets=1)).axes]
    assert titles == ["dataset 0 (source)", "dataset 1"]


def test_every_run_is_drawn_in_percent() -> None:
    axes = draw(study_table({"SimCLR": POINTS})).axes[0]
    expected = sorted((rank, 100 * top1) for rank, top1 in POINTS)
    assert np.allclose(sorted(points(axes, filled=True)), expected)


@pytest.mark.parametrize("status", ["collapsed", "diverged"])
def test_degenerate_runs_are_hollow(status: str) -> None:
    results = study_table({"SimCLR": POINTS})
    results.loc[results["run"] == "run2", "status"] = status
    axes = draw(results).axes[0]
    assert points(axes, filled=False) == [pytest.approx((20, 75))]
    assert len(points(axes, filled=True)) == 3


def test_selected_and_best_runs_are_marked_by_different_shapes() -> None:
    axes = draw(study_table({"SimCLR": POINTS})).axes[0]
    (selected,), (best,) = marks(axes, "o"), marks(axes, "s")
    assert (selected.get_xdata()[0], selected.get_ydata()[0]) == pytest.approx((30, 60))
    assert (best.get_xdata()[0], best.get_ydata()[0]) == pytest.approx((20, 75))


def test_both_marks_show_where_they_coincide() -> None:
    axes = draw(study_table({"SimCLR": [(10.0, 0.5), (30.0, 0.6)]})).axes[0]
    (ring,), (square,) = marks(axes, "o"), marks(axes, "s")
    assert ring.get_xdata()[0] == square.get_xdata()[0]
    dot = next(line for line in axes.lines if line.get_markerfacecolor() != "none")
    assert dot.get_markersize() < ring.get_markersize() < square.get_markersize()


def chance_lines(axes: Axes) -> list[float]:
    lines = [line for line in axes.lines if line.get_linestyle() == "--"]
    return [float(line.get_ydata()[0]) for line in lines]


def test_chance_is_a_line_where_runs_come_near_it() -> None:
    axes = draw(study_table({"SimCLR": [(10.0, 0.1), (30.0, 0.6)]})).axes[0]
    assert chance_lines(axes) == [pytest.approx(10)]
    assert not axes.texts


@pytest.mark.parametrize(("chance", "arrow"), [(0.1, "↓"), (0.95, "↑")])
def test_chance_outside_the_view_is_an_arrow_clear_of_the_runs(chance: float, arrow: str) -> None:
    figure = draw(study_table({"SimCLR": POINTS}, chance=chance))
    axes = figure.axes[0]
    (label,) = axes.texts
    assert label.get_text() == f"chance {100 * chance:g} % {arrow}"
    assert not chance_lines(axes)
    figure.canvas.draw()
    box = label.get_window_extent().transformed(axes.transData.inverted())
    lowest, highest = 50 - 2, 75 + 2
    assert box.y1 < lowest or box.y0 > highest


def test_wilson_intervals_are_drawn_but_not_for_the_mean() -> None:
    source, *_, mean = draw(study_table({"SimCLR": POINTS}, ("shapes", "a", "b"))).axes
    (intervals,) = source.collections
    spans = sorted((path[0][0], path[0][1], path[1][1]) for path in intervals.get_segments())
    expected = sorted((rank, 100 * top1 - 2, 100 * top1 + 2) for rank, top1 in POINTS)
    assert np.allclose(spans, expected)
    assert not mean.collections[0].get_segments()


def test_the_header_states_rho_and_n_for_each_method() -> None:
    results = study_table({"SimCLR": POINTS[:3], "VICReg": POINTS[:2]})
    assert header(draw(results).axes[0]) == [r"$\rho$ 0.50 (3)", r"$\rho$ n/a (2)"]


def test_methods_differ_in_colour_and_sweeps_in_marker() -> None:
    axes = draw(study(methods=6)).axes[0]
    runs = [line for line in axes.lines if line.get_markerfacecolor() not in ("none", "white")]
    assert {to_hex(line.get_markerfacecolor()) for line in runs if line.get_marker() != "None"} == {
        colour.lower() for colour in style.COLOURS[:6]
    }
    assert {line.get_marker() for line in runs} - {"None"} == set(style.MARKERS[:2])


def test_rank_is_logarithmic_only_beyond_a_factor_of_ten() -> None:
    for lowest, highest, scale in ((10, 99, "linear"), (10, 101, "log"), (1, 99, "linear")):
        figure = draw(study_table({"SimCLR": [(lowest, 0.5), (highest, 0.6)]}))
        assert figure.axes[0].get_xscale() == scale


def test_one_run_and_no_target_is_still_a_figure() -> None:
    figure = draw(study_table({"SimCLR": POINTS[:1]}, datasets=("shapes",)))
    assert len(figure.axes) == 1
    assert header(figure.axes[0]) == [r"$\rho$ n/a (1)"]


def test_a_study_of_collapsed_runs_is_still_a_figure() -> None:
    axes = draw(study_table({"SimCLR": POINTS}, status="collapsed")).axes[0]
    assert not points(axes, filled=True)
    assert not marks(axes, "o")


@pytest.mark.parametrize(("methods", "targets"), [(2, 1), (6, 11)])
def test_nothing_overlaps_and_nothing_leaves_the_page(methods: int, targets: int) -> None:
    figure = draw(study(methods, targets))
    figure.canvas.draw()
    frames = [axes.get_window_extent() for axes in figure.axes]
    headers = [axes.get_legend().get_window_extent() for axes in figure.axes]
    upper, lower = figure.subfigs
    labels = [upper.get_supxlabel(), upper.get_supylabel()]
    assert labels == ["RankMe of the source embeddings", "Top-1 accuracy (%)"]
    others = [
        *lower.legends,
        *upper.findobj(lambda a: isinstance(a, Text) and a.get_text() in labels),
    ]
    boxes = [*frames, *headers, *(artist.get_window_extent() for artist in others)]
    assert len(boxes) == 2 * len(figure.axes) + 3
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_more_methods_than_colours_are_refused() -> None:
    with pytest.raises(UserError, match=r"9 methods .* can tell 8 apart"):
        draw(study(methods=9, targets=1))


def with_control(top1: float) -> Axes:
    results = study_table({"SimCLR": POINTS, "RandomInit": [(12.0, top1)]}, ("shapes",))
    results["control"] = results["method"] == "RandomInit"
    return draw(results).axes[0]


def test_a_control_is_a_star_and_no_run() -> None:
    axes = with_control(0.52)
    (star,) = [line for line in axes.lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == pytest.approx((12, 52))
    assert header(axes) == [r"$\rho$ 0.40 (4)"]


def test_a_control_far_below_is_named_and_does_not_squeeze_the_runs() -> None:
    axes = with_control(0.12)
    assert not [line for line in axes.lines if line.get_marker() == "*"]
    assert axes.texts[0].get_text() == "chance 10 % ↓\nRandomInit 12 % ↓"
    assert axes.get_ylim()[0] > 30


def test_without_labels_the_figure_says_so() -> None:
    figure = draw(study_table({"SimCLR": POINTS}).assign(top1=np.nan))
    assert "no dataset has labels" in figure.texts[0].get_text()
