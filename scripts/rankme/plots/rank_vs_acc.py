"""Accuracy against RankMe: one panel a dataset, one point a run."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rankme.analysis.groups import MEAN, degenerate, with_mean_over_targets, without_controls
from rankme.analysis.selection import HIGHEST
from rankme.plots import style
from rankme.plots.style import PERCENT
from rankme.plots.tables import Tables, pooled

TITLE = "accuracy against RankMe"

LOG_RATIO = 10.0
"""The x axis is logarithmic where the RankMe of non-degenerate runs spans more than this."""

CONTROL_COLOURS = ("#000000", "0.55", "0.3", "0.75")
"""Controls are stars, in greys."""

SELECTED = ("o", 3.4)
BEST = ("s", 5.6)
"""Marks around a point and their size in points beyond it; the ring fits into the square."""

_PANEL_INCHES = 1.55
_LINE_INCHES = 0.115
_MANY_RUNS = 500
_GREY = "0.35"
_RHO = r"$\rho$"
_CHANCE: dict[str, Any] = {"color": _GREY, "linewidth": 0.8, "linestyle": (0, (4, 2))}


@dataclass(frozen=True)
class Look:
    """How runs are told apart: colour of each method and control, marker of each sweep, size."""

    colours: dict[str, str]
    markers: dict[str, str]
    controls: dict[str, str]
    size: float


def draw(tables: Tables) -> Figure:
    """Draw top-1 accuracy against the RankMe of the source embeddings.

    Panels: the source, each target, and the mean over targets where there are several. Marked
    for each method, among all its non-degenerate runs: the run of highest RankMe and the run of
    highest accuracy.
    """
    points = with_mean_over_targets(tables.results)
    points = points[points["top1"].notna()]
    if points.empty:
        return style.nothing_to_draw("Accuracy against RankMe: no dataset has labels.")
    points = points.assign(degenerate=degenerate(points))
    if points.loc[points["role"] == "target", "dataset"].nunique() == 1:
        points = points[points["role"] != "mean"]
    points, controls = without_controls(points), points[points["control"].astype(bool)]
    look = Look(
        style.method_colours(points),
        style.assign(points["sweep"], style.MARKERS, "sweeps"),
        style.assign(controls["method"], CONTROL_COLOURS, "controls"),
        # 4.4 points for 8 runs, 2.7 for 200.
        6.0 / len(points.drop_duplicates(["method", "run"])) ** 0.15,
    )
    by_dataset = list(points.groupby("dataset", sort=False))
    key = _key(points, look)
    lines = 1 + max(len(entries) for entries in key.values())
    figure, key_area, cells = _grid(len(by_dataset), len(look.colours), lines)
    _scale_x(cells[0], points)
    for axes, (dataset, runs) in zip(cells, by_dataset, strict=True):
        _draw_runs(axes, runs, look)
        _draw_marks(axes, _rankme_rows(tables.selection, str(dataset)), look)
        seen = _view(axes, runs, controls[controls["dataset"] == dataset])
        _draw_controls(axes, seen, look)
        _draw_header(axes, runs, _rankme_rows(tables.correlations, str(dataset)), look)
    _draw_key(key_area, key, lines)
    return figure


def _rankme_rows(statistics: pd.DataFrame, dataset: str) -> list[dict[Any, Any]]:
    """A row a method: about RankMe and all its non-degenerate runs on `dataset`."""
    rows = pooled(statistics)
    wanted = (
        (rows["dataset"] == dataset)
        & (rows["metric"] == "rankme")
        & (rows["layer"] == "embedding")
        & (rows.get("rule", HIGHEST) == HIGHEST)
    )
    return rows[wanted].to_dict("records")


def _grid(panels: int, methods: int, key_lines: int) -> tuple[Figure, SubFigure, list[Axes]]:
    """Axes that share x above an area for the key; a column wide, a page for more than two."""
    # Up to 4 columns: those of the fewest rows, then of the fewest empty cells.
    columns = min(range(1, 5), key=lambda number: (ceil(panels / number), -panels % number))
    rows = ceil(panels / columns)
    above = rows * (_PANEL_INCHES + (1 + ceil(methods / 2)) * _LINE_INCHES) + 0.2
    below = (key_lines + 1) * _LINE_INCHES * 1.15
    width = style.COLUMN_INCHES if columns <= 2 else style.PAGE_INCHES
    figure = Figure(figsize=(width, above + below), layout="constrained")
    (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[above, below])
    upper.supxlabel("RankMe of the source embeddings")
    upper.supylabel("Top-1 accuracy (%)")
    cells = upper.subplots(rows, columns, sharex=True, squeeze=False).flatten()
    for empty in cells[panels:]:
        empty.remove()
    for lowest in cells[max(0, panels - columns) : panels]:
        lowest.xaxis.set_tick_params(which="both", labelbottom=True)
    return figure, lower, list(cells[:panels])


def _scale_x(axes: Axes, points: pd.DataFrame) -> None:
    ranks = points.loc[~points["degenerate"], "rankme"]
    if ranks.empty or ranks.max() / ranks.min() <= LOG_RATIO:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=style.TICK_STEPS))
        return
    axes.set_xscale("log")
    style.log_ticks(axes.xaxis, points["rankme"].max() / points["rankme"].min())


def _draw_runs(axes: Axes, points: pd.DataFrame, look: Look) -> None:
    """Wilson intervals, and above them a dot a run."""
    for method, runs in points.groupby("method", sort=False):
        colour, many = look.colours[str(method)], len(runs) > _MANY_RUNS
        known = runs.dropna(subset=["top1_low", "top1_high"])
        low, high = PERCENT * known["top1_low"], PERCENT * known["top1_high"]
        bars: dict[str, Any] = {"colors": colour, "linewidth": 0.6, "alpha": 0.45, "zorder": 1}
        axes.vlines(known["rankme"], low, high, rasterized=many, **bars)
        for (sweep, hollow), group in runs.groupby(["sweep", "degenerate"], sort=False):
            x, y = group["rankme"], PERCENT * group["top1"]
            shape = {"marker": look.markers[str(sweep)], "markersize": look.size, "zorder": 2}
            style.dots(axes, x, y, colour, bool(hollow), edge=0.8, rasterized=many, **shape)


def _draw_marks(axes: Axes, selection: list[dict[Any, Any]], look: Look) -> None:
    for row in selection:
        for prefix, shape in (("selected", SELECTED), ("best", BEST)) if row["n"] else ():
            mark = _mark(shape, look.size, look.colours[row["method"]])
            x, y = row[f"{prefix}_value"], PERCENT * row[f"{prefix}_top1"]
            axes.plot(x, y, **mark, zorder=3, clip_on=False)


def _draw_controls(axes: Axes, controls: pd.DataFrame, look: Look) -> None:
    for method, runs in controls.groupby("method", sort=False):
        star = _star(look.controls[str(method)])
        axes.plot(runs["rankme"], PERCENT * runs["top1"], **star, zorder=4)


def _mark(shape: tuple[str, float], size: float, colour: str) -> dict[str, Any]:
    marker, beyond = shape
    edge = {"mfc": "none", "mec": colour, "mew": 0.8}
    return {"ls": "none", "marker": marker, "markersize": size + beyond, **edge}


def _star(colour: str) -> dict[str, Any]:
    edge = {"mfc": colour, "mec": "white", "mew": 0.3}
    return {"ls": "none", "marker": "*", "markersize": 6, **edge}


def _view(axes: Axes, points: pd.DataFrame, controls: pd.DataFrame) -> pd.DataFrame:
    """Fit y to the runs; chance is drawn within it, and what lies beyond is named on a strip.

    Returns:
        The controls within the view.
    """
    seen = PERCENT * points[["top1", "top1_low", "top1_high"]].to_numpy(float)
    low, high = np.nanmin(seen), np.nanmax(seen)
    margin = max(0.08 * (high - low), 0.5)
    bottom, top = low - margin, high + margin
    chance, top1 = PERCENT * points["chance"].iloc[0], PERCENT * controls["top1"].astype(float)
    if bottom <= chance <= top:
        axes.axhline(chance, **_CHANCE, zorder=0)
    references = [("chance", chance), *zip(controls["method"], top1, strict=True)]
    below = [f"{name} {value:.3g} % ↓" for name, value in references if value < bottom]
    above = [f"{name} {value:.3g} % ↑" for name, value in references if value > top]
    strip = 0.1 * (top - bottom)
    axes.set_ylim(bottom - strip * len(below), top + strip * len(above))
    place: dict[str, Any] = {"transform": axes.transAxes, "ha": "right"}
    for names, y, side in ((below, 0.02, "bottom"), (above, 0.98, "top")):
        if names:
            axes.text(0.98, y, "\n".join(names), fontsize=6, color=_GREY, va=side, **place)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=style.TICK_STEPS, min_n_ticks=3))
    return controls[top1.between(bottom, top)]


def _draw_header(
    axes: Axes, points: pd.DataFrame, correlations: list[dict[Any, Any]], look: Look
) -> None:
    """Name of the dataset and each method's correlation."""
    name, role = points[["dataset", "role"]].iloc[0]
    title = f"{name} (source)" if role == "source" else name
    texts = {
        look.colours[row["method"]]: style.coefficient(_RHO, row["spearman"], row["n"], digits=2)
        for row in correlations
    }
    style.header(axes, title, texts, columnspacing=0.7, labelspacing=0.2)


def _key(points: pd.DataFrame, look: Look) -> dict[str, dict[str, Line2D]]:
    """Columns of the figure's legend: title -> label -> handle."""
    level = f"{PERCENT * points['confidence'].max():g} %"
    but = ", none for the mean" if MEAN in set(points["dataset"]) else ""
    methods = {name: style.patch(colour) for name, colour in look.colours.items()}
    stars = {f"{name} (control)": Line2D([], [], **_star(c)) for name, c in look.controls.items()}
    return {
        "Method": methods | stars,
        "Sweep": {name.replace("_", " "): _grey(marker=m) for name, m in look.markers.items()},
        "Run": {
            "completed": _grey(marker="o"),
            "collapsed or diverged": _grey(marker="o", markerfacecolor="white"),
            "highest RankMe (selected)": Line2D([], [], **_mark(SELECTED, 0.8, _GREY)),
            "highest accuracy (best)": Line2D([], [], **_mark(BEST, 0.8, _GREY)),
            f"Wilson interval ({level}{but})": _grey(marker="|", markersize=5),
            "chance": Line2D([], [], **_CHANCE),
            f"{_RHO} (n): Spearman of n filled runs": style.sample(),
        },
    }


def _draw_key(area: SubFigure, key: dict[str, dict[str, Line2D]], lines: int) -> None:
    handles: list[Line2D] = []
    labels: list[str] = []
    for title, entries in key.items():
        filler = lines - 1 - len(entries)
        handles += [style.sample(), *entries.values(), *[style.sample()] * filler]
        labels += [title, *entries, *[""] * filler]
    spacing = {"labelspacing": 0.45, "columnspacing": 1.4, "handletextpad": 0.4}
    legend = area.legend(handles, labels, loc="center", ncols=len(key), **spacing)
    for text in legend.get_texts()[::lines]:
        text.set_fontweight("bold")


def _grey(**look: Any) -> Line2D:
    return style.sample(**{"markersize": 3.4, "color": _GREY, **look})
