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
    without_controls,
)
from rankme.analysis.groups import NEEDED_COLUMNS as GROUP_COLUMNS
from rankme.analysis.selection import HIGHEST
from rankme.plots import style

NEEDED_COLUMNS = (*GROUP_COLUMNS, "top1_low", "top1_high", "confidence")

LOG_RATIO = 10.0
"""The x axis is logarithmic where the RankMe of non-degenerate runs spans more than this."""

CONTROL_COLOURS = ("#000000", "0.55", "0.3", "0.75")
"""Controls are stars, in greys."""

SELECTED = {"marker": "o", "markersize": 3.4}
BEST = {"marker": "s", "markersize": 5.6}
"""Marks around a point, sized in points beyond it; the ring fits into the square."""

_PANEL_INCHES = 1.55
_LINE_INCHES = 0.115
_KEY_SIZE = 3.4
_PERCENT = 100.0
_MANY_RUNS = 500
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
    """How runs are told apart: colour of each method and control, marker of each sweep, size."""

    colours: dict[str, str]
    markers: dict[str, str]
    controls: dict[str, str]
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
    points = points[points["top1"].notna()]
    if points.empty:
        return style.nothing_to_draw("Accuracy against RankMe: no dataset has labels.")
    points = points.assign(degenerate=degenerate(points))
    if points.loc[points["role"] == "target", "dataset"].nunique() == 1:
        points = points[points["role"] != "mean"]
    points, controls = without_controls(points), points[points["control"].astype(bool)]
    look = Look(
        style.assign(points["method"], style.COLOURS, "methods"),
        style.assign(points["sweep"], style.MARKERS, "sweeps"),
        style.assign(controls["method"], CONTROL_COLOURS, "controls"),
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
                controls[controls["dataset"] == name],
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
        & (table["metric"] == "rankme")
        & (table["tap"] == "embedding")
        & (table.get("rule", HIGHEST) == HIGHEST)
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
    controls: pd.DataFrame,
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
            place = choice[f"{prefix}_value"], _PERCENT * choice[f"{prefix}_top1"]
            axes.plot(
                *place, **_mark(shape, look.size, look.colours[method]), zorder=3, clip_on=False
            )
    outside = _view(axes, points, controls)
    _controls(axes, controls[~controls.index.isin(outside)], look)
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
        rasterized=len(runs) > _MANY_RUNS,
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
            rasterized=len(runs) > _MANY_RUNS,
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


def _view(axes: Axes, points: pd.DataFrame, controls: pd.DataFrame) -> list[Any]:
    """Fit y to the runs; chance and controls are drawn within it, or named on a strip beyond.

    Returns:
        The rows of the controls that are named on a strip.
    """
    low = _PERCENT * points["top1_low"].fillna(points["top1"]).min()
    high = _PERCENT * points["top1_high"].fillna(points["top1"]).max()
    margin = max(0.08 * (high - low), 0.5)
    bottom, top = low - margin, high + margin
    references: list[tuple[str, float, list[Any]]]
    references = [("chance", _PERCENT * points["chance"].iloc[0], [])]
    references += [
        (str(name), _PERCENT * float(top1), [row])
        for row, name, top1 in controls[["method", "top1"]].itertuples()
    ]
    below = [entry for entry in references if entry[1] < bottom]
    above = [entry for entry in references if entry[1] > top]
    if bottom <= references[0][1] <= top:
        axes.axhline(references[0][1], **_CHANCE, zorder=0)
    strip = 0.1 * (top - bottom)
    axes.set_ylim(bottom - strip * len(below), top + strip * len(above))
    for entries, y, arrow in ((below, 0.02, "↓"), (above, 0.98, "↑")):
        text = "\n".join(f"{name} {value:.3g} % {arrow}" for name, value, _ in entries)
        if entries:
            vertical = "bottom" if y < 0.5 else "top"
            place: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": vertical}
            axes.text(0.98, y, text, fontsize=6, color=_GREY, **place)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=style.TICK_STEPS, min_n_ticks=3))
    return [row for _, _, rows in (*below, *above) for row in rows]


def _controls(axes: Axes, controls: pd.DataFrame, look: Look) -> None:
    """A star a run of a control."""
    for method, runs in controls.groupby("method", sort=False):
        shape = _star(look.controls[str(method)])
        axes.plot(runs["rankme"], _PERCENT * runs["top1"], linestyle="none", zorder=4, **shape)


def _star(colour: str) -> dict[str, Any]:
    return {
        "marker": "*",
        "markersize": 6,
        "markerfacecolor": colour,
        "markeredgecolor": "white",
        "markeredgewidth": 0.3,
    }


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
    marks = [Line2D([], [], **_mark(shape, 0.8, _GREY)) for shape in (SELECTED, BEST)]
    stars = {f"{name} (control)": _grey(**_star(c)) for name, c in look.controls.items()}
    return {
        "Method": {name: _patch(colour) for name, colour in look.colours.items()} | stars,
        "Sweep": {name.replace("_", " "): _grey(marker=m) for name, m in look.markers.items()},
        "Run": {
            "completed": run,
            "collapsed or diverged": hollow,
            "highest RankMe (selected)": marks[0],
            "highest accuracy (best)": marks[1],
            f"Wilson interval ({level}{but})": _grey(marker="|", markersize=5),
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
