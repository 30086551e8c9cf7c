"""A panel a method, a line a run, coloured by one number of the run: what several figures share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import axis
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from rankme.analysis.groups import degenerate, runs_of
from rankme.plots import style

COLOURS = "cividis"
"""Rises evenly in lightness, so that it reads in grey and with any colour vision."""

_MANY_RUNS = 60
_FEW_VALUES = 12
"""Where an axis holds no more values than this, they are its ticks."""


@dataclass(frozen=True)
class Axis:
    """What an axis shows: a column of the table, its label, and the scale "linear" or "log"."""

    column: str
    label: str
    scale: str = "linear"


@dataclass(frozen=True)
class Colours:
    """The number that colours each run: columns "method", "run", "colour", "degenerate"."""

    runs: pd.DataFrame
    label: str
    norm: Normalize


def rank_colours(results: pd.DataFrame) -> Colours:
    """Runs coloured by the RankMe of their source embeddings."""
    runs = _numbers(results, "rankme")
    return Colours(runs, "RankMe (source)", _norm(runs["colour"], LogNorm))


def accuracy_colours(results: pd.DataFrame) -> Colours:
    """Runs coloured by top-1 accuracy on the source, by RankMe where it has no labels."""
    sources = results[results["role"] == "source"]
    if sources["top1"].isna().all():
        return rank_colours(results)
    runs = _numbers(sources, "top1")
    runs["colour"] *= style.PERCENT
    return Colours(runs, f"Top-1 on {sources['dataset'].iloc[0]} (%)", _norm(runs["colour"]))


def draw(table: pd.DataFrame, x: Axis, y: Axis, colours: Colours) -> Figure:
    """Draw lines by method.

    Args:
        table: columns "method", "run" and those of `x` and `y`, in order of x within a run.
        x, y: the axes.
        colours: of the runs.
    """
    lines = table.merge(colours.runs, on=["method", "run"]).dropna(subset=[x.column, y.column])
    if lines.empty:
        return style.nothing_to_draw(f"{y.label}: not measured in this study.")
    figure, panels = style.panels(lines, "method", height=1.9)
    for method, axes, rows in panels:
        _panel(axes, rows, colours.norm, x, y)
        axes.set_title(method)
    figure.supxlabel(x.label)
    figure.supylabel(y.label)
    mappable = ScalarMappable(colours.norm, COLOURS)
    bar = figure.colorbar(mappable, ax=figure.axes, label=colours.label, pad=0.02, aspect=25)
    if isinstance(colours.norm, LogNorm):
        _log_ticks(bar.ax.yaxis, colours.runs["colour"].max() / colours.runs["colour"].min())
    bar.outline.set_linewidth(0.5)
    return figure


def _numbers(results: pd.DataFrame, column: str) -> pd.DataFrame:
    runs = runs_of(results)
    table = runs[["method", "run"]].assign(colour=runs[column].astype(float))
    return table.assign(degenerate=degenerate(runs)).dropna(subset=["colour"])


def _norm(values: pd.Series, kind: type[Normalize] = Normalize) -> Normalize:
    low, high = values.min(), values.max()
    if not high > low:
        return kind(low * 0.99 - (kind is Normalize), high * 1.01 + (kind is Normalize))
    return kind(low, high)


def _panel(axes: Axes, lines: pd.DataFrame, norm: Normalize, x: Axis, y: Axis) -> None:
    many = lines["run"].nunique() > _MANY_RUNS
    for hollow, runs in lines.groupby("degenerate"):
        by_run = [run for _, run in runs.groupby("run", sort=False)]
        collection = LineCollection(
            [run[[x.column, y.column]].to_numpy(float) for run in by_run],
            array=np.array([run["colour"].iloc[0] for run in by_run]),
            cmap=COLOURS,
            norm=norm,
            linewidths=0.5 if many else 1.0,
            linestyles=(0, (2, 1.5)) if hollow else "solid",
            alpha=0.6 if many else 1.0,
            rasterized=many,
        )
        axes.add_collection(collection)
    single = lines[lines.groupby("run")["run"].transform("size") == 1]
    axes.scatter(
        single[x.column], single[y.column], c=single["colour"], cmap=COLOURS, norm=norm, s=6
    )
    axes.set_xscale(x.scale)
    axes.set_yscale(y.scale)
    axes.autoscale_view()
    _ticks(axes.xaxis, x.scale, lines[x.column])
    _ticks(axes.yaxis, y.scale, lines[y.column])


def _ticks(axis: axis.Axis, scale: str, values: pd.Series) -> None:
    if scale == "log" and values.nunique() <= _FEW_VALUES:
        ticks = sorted(values.unique())
        axis.set_ticks(ticks[:: 1 + len(ticks) // 6], minor=False)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    elif scale == "log":
        _log_ticks(axis, values.max() / values[values > 0].min())
    else:
        whole = bool((values % 1 == 0).all())
        axis.set_major_locator(MaxNLocator(5, steps=style.TICK_STEPS, integer=whole))


def _log_ticks(axis: axis.Axis, span: float) -> None:
    style.log_ticks(axis, span)
    axis.set_minor_locator(NullLocator())
