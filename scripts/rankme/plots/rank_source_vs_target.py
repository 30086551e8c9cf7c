"""RankMe on the targets against RankMe on the source."""

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rankme.analysis.groups import degenerate, without_controls
from rankme.plots import style

_PANEL_INCHES = 2.0
_COLUMNS = 4
_MANY_POINTS = 2000


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel a target, a point a run, with Pearson's r within each method."""
    points = without_controls(results)
    points = points[points["role"] == "target"].dropna(subset=["rankme", "rankme_on_dataset"])
    if points.empty:
        return style.nothing_to_draw("RankMe on targets: this study has no target.")
    points = points.assign(degenerate=degenerate(points))
    colours = style.assign(points["method"], style.COLOURS, "methods")
    targets = list(points["dataset"].unique())
    with rc_context(style.RC):
        figure, cells = style.grid(len(targets), _PANEL_INCHES, _COLUMNS)
        for axes, target in zip(cells, targets, strict=True):
            _panel(axes, points[points["dataset"] == target], colours)
        figure.supxlabel("RankMe of the source embeddings")
        figure.supylabel("RankMe of the target's embeddings")
        figure.legend(
            [_mark(colour) for colour in colours.values()]
            + [Line2D([], [], color="0.6", linewidth=0.8, linestyle="--")],
            [*colours, "equal"],
            loc="outside upper center",
            ncols=min(len(colours) + 1, len(cells) + 2),
            frameon=False,
        )
    return figure


def _panel(axes: Axes, points: pd.DataFrame, colours: dict[str, str]) -> None:
    low = float(points[["rankme", "rankme_on_dataset"]].min().min())
    high = float(points[["rankme", "rankme_on_dataset"]].max().max())
    axes.plot([low, high], [low, high], color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    texts = []
    for method, runs in points.groupby("method", sort=False):
        for hollow, group in runs.groupby("degenerate"):
            axes.plot(
                group["rankme"],
                group["rankme_on_dataset"],
                linestyle="none",
                marker="o",
                markersize=3.5,
                markerfacecolor="white" if hollow else colours[str(method)],
                markeredgecolor=colours[str(method)] if hollow else "white",
                markeredgewidth=0.7 if hollow else 0.25,
                rasterized=len(points) > _MANY_POINTS,
            )
        texts.append(_pearson(runs[~runs["degenerate"]]))
    axes.legend(
        [_mark(colours[str(m)]) for m in points["method"].unique()],
        texts,
        title=points["dataset"].iloc[0],
        title_fontproperties={"weight": "bold", "size": 7},
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        borderpad=0,
        borderaxespad=0.3,
        handlelength=0.7,
        handletextpad=0.3,
        columnspacing=0.8,
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=style.TICK_STEPS))


def _pearson(runs: pd.DataFrame) -> str:
    x, y = runs["rankme"].to_numpy(float), runs["rankme_on_dataset"].to_numpy(float)
    if len(runs) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return f"r n/a ({len(runs)})"
    value = f"{np.corrcoef(x, y)[0, 1]:.3f}".replace("-", "\N{MINUS SIGN}")
    return f"r {value} ({len(runs)})"


def _mark(colour: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker="s", markersize=4, color=colour)
