"""Accuracy against RankMe: one panel a dataset, one point a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rankme.analysis.groups import (
    ALL_SWEEPS,
    MEAN,
    NON_DEGENERATE,
    degenerate,
    with_mean_over_targets,
)
from rankme.analysis.groups import NEEDED_COLUMNS as GROUP_COLUMNS
from rankme.plots import style

NEEDED_COLUMNS = (*GROUP_COLUMNS, "top1_low", "top1_high", "confidence")

LOG_RATIO = 10.0
"""The x axis is logarithmic where the RankMe of non-degenerate runs spans more than this."""

SELECTED = {"marker": "o", "markersize": 3.4}
BEST = {"marker": "s", "markersize": 5.6}
"""Marks around a point, sized in points beyond it; the ring fits into the square."""

_PANEL_INCHES = 1.55
_LINE_INCHES = 0.115
_KEY_SIZE = 3.4
_PERCENT = 100.0
_GREY = "0.35"
_RHO = r"$\rho$"
_CHANCE: dict[str, Any] = {"color": _GREY, "linewidth": 0.8, "linestyle": (0, (4, 2))}
_HEADER = {
    "borderpad": 0,
    "borderaxespad": 0.3,
    "handlelength": 0.7,
    "handletextpad": 0.3,
    "columnspacing": 0.7,
    "labelspacing": 0.2,
}


@dataclass(frozen=True)
class Look:
    """How runs are told apart: colour of each method, marker of each sweep, size of all."""

    colours: dict[str, str]
    markers: dict[str, str]
    size: float


def draw(results: pd.DataFrame, correlations: pd.DataFrame, selection: pd.DataFrame) -> Figure:
    """Draw top-1 accuracy against the RankMe of the source embeddings.

    Panels: the source, each target, and the mean over targets where there are several. Marked
    for each method, among all its non-degenerate runs: the run of highest RankMe and the run of
    highest accuracy.

    Args:
        results: table of `rankme.analysis.collect`.
        correlations: table of `rankme.analysis.statistics.correlate` on `results`.
        selection: table of `rankme.analysis.selection.select` on `results`.
    """
    points = with_mean_over_targets(results)
    points = points.assign(degenerate=degenerate(points))
    if results.loc[results["role"] == "target", "dataset"].nunique() == 1:
        points = points[points["role"] != "mean"]
    look = Look(
        style.assign(points["method"], style.COLOURS, "methods"),
        style.assign(points["sweep"], style.MARKERS, "sweeps"),
        _marker_size(points),
    )
    names = list(points["dataset"].unique())
    with rc_context(style.RC):
        key = _key(points, look)
        figure, key_area, panels = _grid(len(names), len(look.colours), _key_lines(key))
        _scale_x(panels[0], points)
        for axes, name in zip(panels, names, strict=True):
            _panel(
                axes,
                points[points["dataset"] == name],
                _of_panel(correlations, name),
                _of_panel(selection, name),
                look,
            )
        _draw_key(key_area, key)
    return figure


def _of_panel(table: pd.DataFrame, dataset: str) -> dict[Any, dict[Any, Any]]:
    """Method -> its row of a statistic over all its non-degenerate runs on `dataset`."""
    wanted = (
        (table["sweep"] == ALL_SWEEPS)
        & (table["runs"] == NON_DEGENERATE)
        & (table["dataset"] == dataset)
    )
    return table[wanted].set_index("method").to_dict("index")


def _marker_size(points: pd.DataFrame) -> float:
    """Points: 4.4 for 8 runs, 2.7 for 200."""
    runs = len(points.drop_duplicates(["method", "run"]))
    return 6.0 / runs**0.15


def _grid(panels: int, methods: int, key_lines: int) -> tuple[Figure, SubFigure, list[Axes]]:
    """Axes that share x above an area for the key; a column wide, a page for more than two."""
    columns = _columns(panels)
    rows = ceil(panels / columns)
    above = rows * (_PANEL_INCHES + (1 + ceil(methods / 2)) * _LINE_INCHES) + 0.2
    below = (key_lines + 1) * _LINE_INCHES * 1.15
    width = style.COLUMN_INCHES if columns <= 2 else style.PAGE_INCHES
    figure = style.new_figure(width, above + below)
    (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[above, below])
    upper.supxlabel("RankMe of the source embeddings")
    upper.supylabel("Top-1 accuracy (%)")
    cells = upper.subplots(rows, columns, sharex=True, squeeze=False).flatten()
    for empty in cells[panels:]:
        empty.remove()
    for lowest in cells[max(0, panels - columns) : panels]:
        lowest.xaxis.set_tick_params(which="both", labelbottom=True)
    return figure, lower, list(cells[:panels])


def _columns(panels: int) -> int:
    """Up to 4: the fewest rows, then the fewest empty cells."""
    return min(range(1, 5), key=lambda columns: (ceil(panels / columns), -panels % columns))


def _scale_x(axes: Axes, points: pd.DataFrame) -> None:
    sound = points.loc[~points["degenerate"], "rankme"]
    if sound.empty or sound.max() / sound.min() <= LOG_RATIO:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=style.TICK_STEPS))
        return
    span = points["rankme"].max() / points["rankme"].min()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 50 else (1,), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _panel(
    axes: Axes,
    points: pd.DataFrame,
    correlations: Mapping[str, Mapping[str, Any]],
    selection: Mapping[str, Mapping[str, Any]],
    look: Look,
) -> None:
    for method, runs in points.groupby("method", sort=False):
        _intervals(axes, runs, look.colours[str(method)])
        _runs(axes, runs, look.colours[str(method)], look)
    chosen = {method: choice for method, choice in selection.items() if choice["n"] > 0}
    for method, choice in chosen.items():
        for prefix, shape in (("selected", SELECTED), ("best", BEST)):
            place = choice[f"{prefix}_rankme"], _PERCENT * choice[f"{prefix}_top1"]
            axes.plot(
                *place, **_mark(shape, look.size, look.colours[method]), zorder=3, clip_on=False
            )
    _view(axes, points)
    _header(axes, points, correlations, look)


def _intervals(axes: Axes, runs: pd.DataFrame, colour: str) -> None:
    known = runs.dropna(subset=["top1_low", "top1_high"])
    axes.vlines(
        known["rankme"],
        _PERCENT * known["top1_low"],
        _PERCENT * known["top1_high"],
        colors=colour,
        linewidth=0.6,
        alpha=0.45,
        zorder=1,
    )


def _runs(axes: Axes, runs: pd.DataFrame, colour: str, look: Look) -> None:
    for (sweep, hollow), group in runs.groupby(["sweep", "degenerate"], sort=False):
        axes.plot(
            group["rankme"],
            _PERCENT * group["top1"],
            linestyle="none",
            marker=look.markers[str(sweep)],
            markersize=look.size,
            markerfacecolor="white" if hollow else colour,
            markeredgecolor=colour if hollow else "white",
            markeredgewidth=0.8 if hollow else 0.25,
            zorder=2,
        )


def _mark(shape: dict[str, Any], size: float, colour: str) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": shape["marker"],
        "markersize": size + shape["markersize"],
        "markerfacecolor": "none",
        "markeredgecolor": colour,
        "markeredgewidth": 0.8,
    }


def _view(axes: Axes, points: pd.DataFrame) -> None:
    """Fit y to the runs; draw chance as a line within the view, or as an arrow on its own strip."""
    low = _PERCENT * points["top1_low"].fillna(points["top1"]).min()
    high = _PERCENT * points["top1_high"].fillna(points["top1"]).max()
    chance = _PERCENT * points["chance"].iloc[0]
    margin = max(0.08 * (high - low), 0.5)
    bottom, top = low - margin, high + margin
    if bottom <= chance <= top:
        axes.axhline(chance, **_CHANCE, zorder=0)
    else:
        below = chance < bottom
        strip = 0.1 * (top - bottom)
        bottom, top = (bottom - strip, top) if below else (bottom, top + strip)
        axes.text(
            0.98,
            0.02 if below else 0.98,
            f"chance {chance:.3g} % {'↓' if below else '↑'}",
            transform=axes.transAxes,
            ha="right",
            va="bottom" if below else "top",
            fontsize=6,
            color=_GREY,
        )
    axes.set_ylim(bottom, top)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=style.TICK_STEPS, min_n_ticks=3))


def _header(
    axes: Axes, points: pd.DataFrame, correlations: Mapping[str, Mapping[str, Any]], look: Look
) -> None:
    """Name of the dataset and each method's correlation, above the data: nothing can be hidden."""
    name, role = points[["dataset", "role"]].iloc[0]
    axes.legend(
        [_patch(look.colours[method]) for method in correlations],
        [_rho(correlation) for correlation in correlations.values()],
        title=f"{name} (source)" if role == "source" else name,
        title_fontproperties={"weight": "bold", "size": 7},
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        **_HEADER,
    )


def _patch(colour: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker="s", markersize=4, color=colour)


def _rho(correlation: Mapping[str, Any]) -> str:
    rho = correlation["spearman"]
    value = "n/a" if pd.isna(rho) else f"{rho:.2f}".replace("-", "\N{MINUS SIGN}")
    return f"{_RHO} {value} ({correlation['n']})"


def _key(points: pd.DataFrame, look: Look) -> dict[str, dict[str, Any]]:
    """Columns of the figure's legend: title -> label -> handle."""
    level = f"{_PERCENT * points['confidence'].max():g} %"
    but = ", none for the mean" if MEAN in set(points["dataset"]) else ""
    run, hollow = _grey(marker="o"), _grey(marker="o", markerfacecolor="white")
    marks = [Line2D([], [], **_mark(shape, _KEY_SIZE, _GREY)) for shape in (SELECTED, BEST)]
    return {
        "Method": {name: _patch(colour) for name, colour in look.colours.items()},
        "Sweep": {name.replace("_", " "): _grey(marker=m) for name, m in look.markers.items()},
        "Run": {
            "completed": run,
            "collapsed or diverged": hollow,
            "selected: highest RankMe": (marks[0], run),
            "best: highest accuracy": (marks[1], run),
            f"Wilson interval ({level}{but})": _grey(marker="|", markersize=7),
            "chance": Line2D([], [], **_CHANCE),
            f"{_RHO} (n): Spearman of n filled runs": _blank(),
        },
    }


def _key_lines(key: dict[str, dict[str, Any]]) -> int:
    return 1 + max(len(entries) for entries in key.values())


def _draw_key(area: SubFigure, key: dict[str, dict[str, Any]]) -> None:
    handles: list[Any] = []
    labels: list[str] = []
    for title, entries in key.items():
        filler = _key_lines(key) - 1 - len(entries)
        handles += [_blank(), *entries.values(), *(_blank() for _ in range(filler))]
        labels += [title, *entries, *[""] * filler]
    legend = area.legend(
        handles,
        labels,
        loc="center",
        ncols=len(key),
        frameon=False,
        labelspacing=0.45,
        columnspacing=1.4,
        handletextpad=0.4,
    )
    for text in legend.get_texts()[:: _key_lines(key)]:
        text.set_fontweight("bold")


def _grey(**look: Any) -> Line2D:
    return Line2D([], [], linestyle="none", **{"markersize": _KEY_SIZE, "color": _GREY, **look})


def _blank() -> Line2D:
    return Line2D([], [], linestyle="none")
