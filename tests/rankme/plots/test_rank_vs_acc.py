"""The figure shows what the tables say: looked at through matplotlib's own objects."""

from itertools import combinations

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
from rankme.plots import figures, style
from rankme.plots.tables import Tables
from tests.rankme.analysis.synthetic import study_table

POINTS = [(10.0, 0.50), (30.0, 0.60), (20.0, 0.75), (25.0, 0.55)]


def draw(results: pd.DataFrame) -> Figure:
    tables = {"correlations": correlate(results), "selection": select(results)}
    return figures.draw("rank_vs_acc", Tables.of(results=results, **tables))


def axes_of(points: list[tuple[float, float]] = POINTS, **options: object) -> Axes:
    """The panel of the source in a study of one method."""
    return draw(study_table({"SimCLR": points}, **options)).axes[0]


def study(methods: int, targets: int) -> pd.DataFrame:
    points = {f"Method {i}": [(rank + i, top1) for rank, top1 in POINTS] for i in range(methods)}
    return study_table(points, datasets=tuple(f"dataset {index}" for index in range(targets + 1)))


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


def marks(axes: Axes) -> tuple[list[Line2D], list[Line2D]]:
    """Rings, of selected runs, and squares, of the best."""
    lines = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    rings, squares = ([line for line in lines if line.get_marker() == m] for m in ("o", "s"))
    return rings, squares


def place(line: Line2D) -> tuple[float, float]:
    return line.get_xdata()[0], line.get_ydata()[0]


def chance_lines(axes: Axes) -> list[float]:
    lines = [line for line in axes.lines if line.get_linestyle() == "--"]
    return [float(line.get_ydata()[0]) for line in lines]


def test_every_run_is_drawn_in_percent() -> None:
    expected = sorted((rank, 100 * top1) for rank, top1 in POINTS)
    assert np.allclose(sorted(points(axes_of(), filled=True)), expected)


@pytest.mark.parametrize("status", ["collapsed", "diverged"])
def test_degenerate_runs_are_hollow(status: str) -> None:
    results = study_table({"SimCLR": POINTS})
    results.loc[results["run"] == "run2", "status"] = status
    axes = draw(results).axes[0]
    assert points(axes, filled=False) == [pytest.approx((20, 75))]
    assert len(points(axes, filled=True)) == 3


def test_selected_and_best_runs_are_marked_by_shapes_that_show_even_where_they_coincide() -> None:
    (ring,), (square,) = marks(axes_of())
    assert place(ring) == pytest.approx((30, 60))
    assert place(square) == pytest.approx((20, 75))
    axes = axes_of([(10.0, 0.5), (30.0, 0.6)])
    (ring,), (square,) = marks(axes)
    assert place(ring) == place(square)
    dot = next(line for line in axes.lines if line.get_markerfacecolor() != "none")
    assert dot.get_markersize() < ring.get_markersize() < square.get_markersize()


def test_chance_is_a_line_where_runs_come_near_it() -> None:
    axes = axes_of([(10.0, 0.1), (30.0, 0.6)])
    assert chance_lines(axes) == [pytest.approx(10)]
    assert not axes.texts


@pytest.mark.parametrize(("chance", "arrow"), [(0.1, "↓"), (0.95, "↑")])
def test_chance_outside_the_view_is_an_arrow_clear_of_the_runs(chance: float, arrow: str) -> None:
    axes = axes_of(chance=chance)
    (label,) = axes.texts
    assert label.get_text() == f"chance {100 * chance:g} % {arrow}"
    assert not chance_lines(axes)
    axes.get_figure(root=True).draw_without_rendering()
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


def test_rank_is_logarithmic_only_beyond_a_factor_of_ten() -> None:
    """A run of RankMe 1 has collapsed and does not count."""
    for lowest, scale in ((10.1, "linear"), (9.9, "log"), (1, "linear")):
        assert axes_of([(lowest, 0.5), (100, 0.6)]).get_xscale() == scale


def test_one_run_without_target_collapsed_runs_or_no_labels_are_still_a_figure() -> None:
    figure = draw(study_table({"SimCLR": POINTS[:1]}, datasets=("shapes",)))
    assert [header(axes) for axes in figure.axes] == [[r"$\rho$ n/a (1)"]]
    axes = axes_of(status="collapsed")
    assert not points(axes, filled=True)
    assert marks(axes) == ([], [])
    figure = draw(study_table({"SimCLR": POINTS}).assign(top1=np.nan))
    assert "no dataset has labels" in figure.texts[0].get_text()


@pytest.mark.parametrize(("methods", "targets"), [(2, 1), (6, 11)])
def test_each_dataset_has_its_panel_and_nothing_overlaps_or_leaves_the_page(
    methods: int, targets: int
) -> None:
    """One target needs no panel for the mean over targets."""
    figure = draw(study(methods, targets))
    figure.draw_without_rendering()
    legends = [axes.get_legend() for axes in figure.axes]
    names = ["dataset 0 (source)", *(f"dataset {index}" for index in range(1, targets + 1))]
    expected = names if targets == 1 else [*names, "mean over targets"]
    assert [legend.get_title().get_text() for legend in legends] == expected
    upper, lower = figure.subfigs
    labels = [upper.get_supxlabel(), upper.get_supylabel()]
    assert labels == ["RankMe of the source embeddings", "Top-1 accuracy (%)"]
    others = upper.findobj(lambda a: isinstance(a, Text) and a.get_text() in labels)
    artists = [*figure.axes, *legends, *lower.legends, *others]
    boxes = [artist.get_window_extent() for artist in artists]
    assert len(boxes) == 2 * len(figure.axes) + 3
    assert not any(box.overlaps(other) for box, other in combinations(boxes, 2))
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_methods_differ_in_colour_and_sweeps_in_marker() -> None:
    axes = draw(study(methods=6, targets=1)).axes[0]
    runs = [line for line in axes.lines if line.get_markerfacecolor() not in ("none", "white")]
    runs = [line for line in runs if line.get_marker() != "None"]
    colours = {to_hex(line.get_markerfacecolor()) for line in runs}
    assert colours == {colour.lower() for colour in style.COLOURS[:6]}
    assert {line.get_marker() for line in runs} == set(style.MARKERS[:2])


def test_more_methods_than_colours_are_refused() -> None:
    with pytest.raises(UserError, match=r"9 methods .* can tell 8 apart"):
        draw(study(methods=9, targets=1))


def with_control(top1: float) -> tuple[Axes, list[Line2D]]:
    """The panel of a study with a control, and its stars."""
    results = study_table({"SimCLR": POINTS, "RandomInit": [(12.0, top1)]}, ("shapes",))
    results["control"] = results["method"] == "RandomInit"
    axes = draw(results).axes[0]
    return axes, [line for line in axes.lines if line.get_marker() == "*"]


def test_a_control_is_a_star_and_no_run() -> None:
    axes, (star,) = with_control(0.52)
    assert place(star) == pytest.approx((12, 52))
    assert header(axes) == [r"$\rho$ 0.40 (4)"]


def test_a_control_far_below_is_named_and_does_not_squeeze_the_runs() -> None:
    axes, stars = with_control(0.12)
    assert not stars
    assert axes.texts[0].get_text() == "chance 10 % ↓\nRandomInit 12 % ↓"
    assert axes.get_ylim()[0] > 30
