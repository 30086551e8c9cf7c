"""How well each label-free metric orders the runs of a method."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rankme.metrics import METRICS
from rankme.plots import style
from rankme.plots.tables import Tables, pooled

TITLE = "label-free metrics compared"

LOOKS = {
    "embedding": (style.COLOURS[0], "o", -0.16),
    "representation": (style.COLOURS[1], "D", 0.16),
}
"""Colour, marker and offset of each layer."""


def draw(tables: Tables) -> Figure:
    """Draw Spearman's rho with its interval, a panel a method, a row a metric.

    Accuracy is the mean over targets, or that on the source where no target has labels.
    """
    chosen = pooled(tables.correlations)
    chosen = chosen[chosen["role"] == ("mean" if "mean" in set(chosen["role"]) else "source")]
    if chosen["spearman"].isna().all():
        return style.nothing_to_draw("Metrics compared: too few runs with labels.")
    metrics = [name for name in METRICS if name in set(chosen["metric"])]
    figure, panels = style.panels(chosen, "method", height=0.7 + 0.17 * len(metrics))
    for method, axes, rows in panels:
        _panel(axes, rows, metrics)
        axes.set_title(f"{method} ({rows['n'].max()} runs)")
    figure.supxlabel(rf"Spearman's $\rho$ with top-1 accuracy, {chosen['dataset'].iloc[0]}")
    entries = {
        f"of the {layer}s": Line2D([], [], color=c, marker=m, markersize=3.2, linewidth=0.9)
        for layer, (c, m, _) in LOOKS.items()
    }
    style.legend(figure, entries, columns=2)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, metrics: list[str]) -> None:
    axes.axvline(0, color="0.6", linewidth=0.6, zorder=0)
    for layer, (colour, marker, offset) in LOOKS.items():
        known = rows[rows["layer"] == layer].dropna(subset=["spearman"])
        y = [metrics.index(name) + offset for name in known["metric"]]
        axes.hlines(y, known["spearman_low"], known["spearman_high"], colors=colour, linewidth=0.9)
        axes.plot(known["spearman"], y, marker, markersize=3.2, color=colour)
    style.rows(axes, [METRICS[name].label for name in metrics])
    axes.set_xlim(-1.05, 1.05)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])
