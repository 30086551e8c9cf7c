"""How well each label-free metric orders the runs of a method."""

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rankme.analysis.groups import ALL_SWEEPS, NON_DEGENERATE
from rankme.metrics.registry import METRICS
from rankme.plots import style

LOOKS = {
    "embedding": (style.COLOURS[0], "o", -0.16),
    "representation": (style.COLOURS[1], "D", 0.16),
}
"""Colour, marker and offset of each tap."""

_ROW_INCHES = 0.17


def draw(correlations: pd.DataFrame) -> Figure:
    """Draw Spearman's rho with its interval, a panel a method, a row a metric.

    Accuracy is the mean over targets, or that on the source where no target has labels.
    """
    role = "mean" if (correlations["role"] == "mean").any() else "source"
    chosen = correlations[
        (correlations["sweep"] == ALL_SWEEPS)
        & (correlations["runs"] == NON_DEGENERATE)
        & (correlations["role"] == role)
    ]
    if chosen["spearman"].isna().all():
        return style.nothing_to_draw("Metrics compared: too few runs with labels.")
    methods = list(chosen["method"].unique())
    metrics = [name for name in METRICS if name in set(chosen["metric"])]
    with rc_context(style.RC):
        figure, cells = style.grid(len(methods), 0.7 + _ROW_INCHES * len(metrics))
        for place, (axes, method) in enumerate(zip(cells, methods, strict=True)):
            rows = chosen[chosen["method"] == method]
            _panel(axes, rows, metrics)
            axes.set_title(
                f"{method} ({rows['n'].max()} runs)", loc="left", fontsize=7, fontweight="bold"
            )
            axes.tick_params(labelleft=place % 3 == 0)
        figure.supxlabel(rf"Spearman's $\rho$ with top-1 accuracy, {chosen['dataset'].iloc[0]}")
        figure.legend(
            [_handle(colour, marker) for colour, marker, _ in LOOKS.values()],
            [f"of the {tap}s" for tap in LOOKS],
            loc="outside upper center",
            ncols=2,
            frameon=False,
        )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, metrics: list[str]) -> None:
    axes.axvline(0, color="0.6", linewidth=0.6, zorder=0)
    for tap, (colour, marker, offset) in LOOKS.items():
        of_tap = rows[rows["tap"] == tap].dropna(subset=["spearman"])
        y = [metrics.index(name) + offset for name in of_tap["metric"]]
        axes.hlines(
            y, of_tap["spearman_low"], of_tap["spearman_high"], colors=colour, linewidth=0.9
        )
        axes.plot(
            of_tap["spearman"], y, linestyle="none", marker=marker, markersize=3.2, color=colour
        )
    axes.set_yticks(range(len(metrics)), [METRICS[name].label for name in metrics])
    axes.set_ylim(len(metrics) - 0.5, -0.5)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])


def _handle(colour: str, marker: str) -> Line2D:
    return Line2D([], [], color=colour, marker=marker, markersize=3.2, linewidth=0.9)
