"""Accuracy lost by choosing without labels: each metric, a random choice, the default settings."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rankme.analysis.groups import ALL_SWEEPS, NON_DEGENERATE
from rankme.analysis.selection import HIGHEST, PLATEAU
from rankme.metrics import METRICS
from rankme.plots import style
from rankme.plots.tables import Tables

TITLE = "what choosing without labels costs"

PLATEAU_LABEL = "RankMe, plateau rule"
RANDOM_LABEL, DEFAULT_LABEL = "random choice", "default settings"


def draw(tables: Tables) -> Figure:
    """Draw regret in points, a dot a sweep, a bar their mean, for source and targets."""
    selection = tables.selection
    chosen = selection[
        (selection["sweep"] != ALL_SWEEPS)
        & (selection["runs"] == NON_DEGENERATE)
        & (selection["layer"] == "embedding")
        & selection["role"].isin(["source", "mean"])
        & selection["regret"].notna()
    ]
    if chosen.empty:
        return style.nothing_to_draw("Regret: no sweep of two or more runs with labels.")
    regrets = _regrets(chosen)
    labels = list(regrets["choice"].unique())
    colours = style.method_colours(chosen)
    figure, panels = style.panels(regrets, "dataset", height=0.8 + 0.15 * len(labels))
    for dataset, axes, rows in panels:
        _panel(axes, rows, labels, colours)
        axes.set_title(dataset)
    figure.supxlabel("Top-1 accuracy lost against the best run (points)")
    entries = {
        f"{method}, a sweep": style.sample(marker="o", markersize=3.5, color=colour)
        for method, colour in colours.items()
    }
    entries["mean over sweeps"] = style.sample(marker="|", markersize=7, color="black")
    style.legend(figure, entries, columns=min(len(entries), 3))
    return figure


def _regrets(chosen: pd.DataFrame) -> pd.DataFrame:
    """Regret of every way to choose: columns method, sweep, dataset, choice, points."""
    highest, plateau = (chosen[chosen["rule"] == rule] for rule in (HIGHEST, PLATEAU))
    rankme = highest[highest["metric"] == "rankme"]
    labels = {name: metric.label for name, metric in METRICS.items()}
    parts = (
        (highest, highest["metric"].map(labels), highest["regret"]),
        (plateau, PLATEAU_LABEL, plateau["regret"]),
        (rankme, RANDOM_LABEL, rankme["best_top1"] - rankme["random_top1"]),
        (rankme, DEFAULT_LABEL, rankme["best_top1"] - rankme["default_top1"]),
    )
    table = pd.concat(
        rows[["method", "sweep", "dataset"]].assign(choice=choice, points=style.PERCENT * lost)
        for rows, choice, lost in parts
    ).dropna(subset=["points"])
    order = [RANDOM_LABEL, DEFAULT_LABEL, *labels.values()]
    order.insert(order.index(labels["rankme"]) + 1, PLATEAU_LABEL)
    return table.sort_values("choice", key=lambda names: names.map(order.index), kind="stable")


def _panel(axes: Axes, regrets: pd.DataFrame, labels: list[str], colours: dict[str, str]) -> None:
    for method, points in regrets.groupby("method", sort=False):
        colour = colours[str(method)]
        shift = 0.5 * (list(colours).index(str(method)) + 0.5) / len(colours) - 0.25
        y = points["choice"].map(labels.index) + shift
        axes.plot(points["points"], y, "o", ms=3, mew=0, color=colour, alpha=0.75, clip_on=False)
    means = regrets.groupby("choice")["points"].mean()
    rows = means.index.map(labels.index)
    axes.vlines(means, rows - 0.38, rows + 0.38, colors="black", linewidth=1.3)
    style.rows(axes, labels)
    axes.set_xlim(left=0)
    axes.grid(axis="y", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
