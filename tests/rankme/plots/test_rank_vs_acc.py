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


@pytest.fixture(scope="module")
def four_runs() -> Axes:
    return axes_of()


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


def test_every_run_is_drawn_in_percent(four_runs: Axes) -> None:
    expected = sorted((rank, 100 * top1) for rank, top1 in POINTS)
    assert np.allclose(sorted(points(four_runs, filled=True)), expected)


@pytest.mark.parametrize("status", ["collapsed", "diverged"])
def test_degenerate_runs_are_hollow(status: str) -> None:
    results = study_table({"SimCLR": POINTS})
    results.loc[results["run"] == "run2", "status"] = status
    axes = draw(results).axes[0]
    assert points(axes, filled=False) == [pytest.approx((20, 75))]
    assert len(points(axes, filled=True)) == 3


def test_selected_and_best_runs_are_marked_by_different_shapes(four_runs: Axes) -> None:
    (selected,), (best,) = marks(four_runs)
    assert place(selected) == pytest.approx((30, 60))
    assert place(best) == pytest.approx((20, 75))


def test_both_marks_show_where_they_coincide() -> None:
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
    axes.figure.draw_without_rendering()
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


@pytest.mark.parametrize(
    ("lowest", "highest", "scale"), [(10, 99, "linear"), (10, 101, "log"), (1, 99, "log")]
)
def test_rank_is_logarithmic_only_beyond_a_factor_of_ten(
    lowest: float, highest: float, scale: str
) -> None:
    """A run of RankMe 1 is collapsed, and does not count."""
    scale = "linear" if lowest == 1 else scale
    assert axes_of([(lowest, 0.5), (highest, 0.6)]).get_xscale() == scale


def test_one_run_and_no_target_is_still_a_figure() -> None:
    figure = draw(study_table({"SimCLR": POINTS[:1]}, datasets=("shapes",)))
    assert len(figure.axes) == 1
    assert header(figure.axes[0]) == [r"$\rho$ n/a (1)"]


def test_a_study_of_collapsed_runs_is_still_a_figure() -> None:
    axes = axes_of(status="collapsed")
    assert not points(axes, filled=True)
    assert marks(axes) == ([], [])
