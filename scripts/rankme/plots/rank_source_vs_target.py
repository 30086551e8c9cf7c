"""RankMe on the targets against RankMe on the source."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rankme.analysis.groups import degenerate, without_controls
from rankme.plots import style
from rankme.plots.tables import Tables

TITLE = "RankMe on source and targets"

_MANY_POINTS = 2000
_EQUAL: dict[str, Any] = {"color": "0.6", "linewidth": 0.8, "linestyle": "--"}


def draw(tables: Tables) -> Figure:
    """Draw a panel a target, a point a run, with Pearson's r within each method."""
    points = without_controls(tables.results)
    points = points[points["role"] == "target"].dropna(subset=["rankme", "rankme_on_dataset"])
    if points.empty:
        return style.nothing_to_draw("RankMe on targets: this study has no target.")
    points = points.assign(degenerate=degenerate(points))
    colours = style.method_colours(points)
    figure, panels = style.panels(points, "dataset", height=2.0, columns=4)
    for target, axes, rows in panels:
        _panel(axes, target, rows, colours)
    figure.supxlabel("RankMe of the source embeddings")
    figure.supylabel("RankMe of the target's embeddings")
    entries = {method: style.patch(colour) for method, colour in colours.items()}
    entries["equal"] = Line2D([], [], **_EQUAL)
    style.legend(figure, entries, columns=min(len(entries), len(panels) + 2))
    return figure


def _panel(axes: Axes, target: str, points: pd.DataFrame, colours: dict[str, str]) -> None:
    ranks = points[["rankme", "rankme_on_dataset"]].to_numpy(float)
    ends = [ranks.min(), ranks.max()]
    axes.plot(ends, ends, **_EQUAL, zorder=0)
    header = {}
    for method, runs in points.groupby("method", sort=False):
        colour = colours[str(method)]
        for hollow, group in runs.groupby("degenerate"):
            x, y = group["rankme"], group["rankme_on_dataset"]
            look = {"marker": "o", "markersize": 3.5, "rasterized": len(points) > _MANY_POINTS}
            style.dots(axes, x, y, colour, bool(hollow), edge=0.7, **look)
        header[colour] = _pearson(runs[~runs["degenerate"]])
    style.header(axes, target, header, columnspacing=0.8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=style.TICK_STEPS))


def _pearson(runs: pd.DataFrame) -> str:
    x, y = runs["rankme"].to_numpy(float), runs["rankme_on_dataset"].to_numpy(float)
    defined = len(runs) >= 3 and np.ptp(x) > 0 and np.ptp(y) > 0
    r = np.corrcoef(x, y)[0, 1] if defined else np.nan
    return style.coefficient("r", r, len(runs), digits=3)
