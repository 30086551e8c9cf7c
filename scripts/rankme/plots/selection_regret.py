"""Accuracy lost by choosing without labels: each metric, a random choice, the default settings."""

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rankme.analysis.groups import ALL_SWEEPS, NON_DEGENERATE
from rankme.analysis.selection import HIGHEST, PLATEAU
from rankme.metrics.registry import METRICS
from rankme.plots import style

PLATEAU_LABEL = "RankMe, plateau rule"
RANDOM_LABEL, DEFAULT_LABEL = "random choice", "default settings"

_ROW_INCHES = 0.15
_PERCENT = 100.0


def draw(selection: pd.DataFrame) -> Figure:
    """Draw regret in points, a dot a sweep, a bar their mean, for source and targets."""
    chosen = selection[
        (selection["sweep"] != ALL_SWEEPS)
        & (selection["runs"] == NON_DEGENERATE)
        & (selection["tap"] == "embedding")
        & selection["role"].isin(["source", "mean"])
        & selection["regret"].notna()
    ]
    if chosen.empty:
        return style.nothing_to_draw("Regret: no sweep of two or more runs with labels.")
    table = _by_choice(chosen)
    rows = list(dict.fromkeys(table["choice"]))
    colours = style.assign(chosen["method"], style.COLOURS, "methods")
    datasets = list(table["dataset"].unique())
    with rc_context(style.RC):
        figure, cells = style.grid(len(datasets), 0.8 + _ROW_INCHES * len(rows))
        for place, (axes, dataset) in enumerate(zip(cells, datasets, strict=True)):
            _panel(axes, table[table["dataset"] == dataset], rows, colours)
            axes.set_title(dataset, loc="left", fontsize=7, fontweight="bold")
            axes.tick_params(labelleft=place == 0)
        figure.supxlabel("Top-1 accuracy lost against the best run (points)")
        figure.legend(
            [*(_dot(colour) for colour in colours.values()), _bar()],
            [*(f"{name}, a sweep" for name in colours), "mean over sweeps"],
            loc="outside upper center",
            ncols=min(len(colours) + 1, 3),
            frameon=False,
        )
    return figure


def _by_choice(chosen: pd.DataFrame) -> pd.DataFrame:
    """Regret of every way to choose: columns method, sweep, dataset, choice, points."""
    keys = ["method", "sweep", "dataset"]
    highest, plateau = (chosen[chosen["rule"] == rule] for rule in (HIGHEST, PLATEAU))
    rankme = highest[highest["metric"] == "rankme"]
    labels = [METRICS[name].label for name in highest["metric"]]
    parts = [
        highest[keys].assign(choice=labels, points=highest["regret"]),
        plateau[keys].assign(choice=PLATEAU_LABEL, points=plateau["regret"]),
        rankme[keys].assign(
            choice=RANDOM_LABEL, points=rankme["best_top1"] - rankme["random_top1"]
        ),
        rankme[keys].assign(
            choice=DEFAULT_LABEL, points=rankme["best_top1"] - rankme["default_top1"]
        ),
    ]
    table = pd.concat(parts).dropna(subset=["points"])
    order = [RANDOM_LABEL, DEFAULT_LABEL, *(m.label for m in METRICS.values())]
    order.insert(order.index(METRICS["rankme"].label) + 1, PLATEAU_LABEL)
    table["points"] *= _PERCENT
    return table.sort_values("choice", key=lambda names: names.map(order.index), kind="stable")


def _panel(axes: Axes, table: pd.DataFrame, rows: list[str], colours: dict[str, str]) -> None:
    for method, points in table.groupby("method", sort=False):
        shift = 0.5 * (list(colours).index(str(method)) + 0.5) / len(colours) - 0.25
        axes.plot(
            points["points"],
            [rows.index(choice) + shift for choice in points["choice"]],
            linestyle="none",
            marker="o",
            markersize=3,
            markeredgewidth=0,
            color=colours[str(method)],
            alpha=0.75,
            clip_on=False,
        )
    means = table.groupby("choice")["points"].mean()
    places = [rows.index(choice) for choice in means.index]
    axes.vlines(
        means, [p - 0.38 for p in places], [p + 0.38 for p in places], colors="black", lw=1.3
    )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="y", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)


def _dot(colour: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker="o", markersize=3.5, color=colour)


def _bar() -> Line2D:
    return Line2D([], [], linestyle="none", marker="|", markersize=7, color="black")
