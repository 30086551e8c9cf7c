"""A panel a method, a line a run, coloured by one number of the run: what several figures share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from rankme.analysis.groups import degenerate, runs_of
from rankme.plots import style

COLOURS = "cividis"
"""Rises evenly in lightness, so that it reads in grey and with any colour vision."""

_PANEL_INCHES = 1.9
_MANY_RUNS = 60
_FEW_VALUES = 12
"""Where an axis holds no more values than this, they are its ticks."""

_PERCENT = 100.0


@dataclass(frozen=True)
class Axis:
    """Label and scale of an axis: "linear" or "log"."""

    label: str
    scale: str = "linear"


def draw(lines: pd.DataFrame, colours: "Colours", x: Axis, y: Axis) -> Figure:
    """Draw lines by method.

    Args:
        lines: columns "method", "run", "x", "y", in order of x within a run.
        colours: of the runs.
    """
    known = lines.merge(colours.runs, on=["method", "run"]).dropna(subset=["x", "y"])
    if known.empty:
        return style.nothing_to_draw(f"{y.label}: not measured in this study.")
    methods = list(known["method"].unique())
    with rc_context(style.RC):
        figure, cells = style.grid(len(methods), _PANEL_INCHES)
        for axes, method in zip(cells, methods, strict=True):
            _panel(axes, known[known["method"] == method], colours.norm, x, y)
            axes.set_title(method, loc="left", fontsize=7, fontweight="bold")
        figure.supxlabel(x.label)
        figure.supylabel(y.label)
        mappable = ScalarMappable(colours.norm, COLOURS)
        bar = figure.colorbar(mappable, ax=cells, label=colours.label, pad=0.02, aspect=25)
        if isinstance(colours.norm, LogNorm):
            _log_ticks(bar.ax.yaxis, colours.runs["colour"].max() / colours.runs["colour"].min())
        bar.outline.set_linewidth(0.5)
    return figure


@dataclass(frozen=True)
class Colours:
    """The number that colours each run: columns "method", "run", "colour", "degenerate"."""

    runs: pd.DataFrame
    label: str
    norm: Normalize


def by_rank(results: pd.DataFrame) -> Colours:
    """Runs coloured by the RankMe of their source embeddings."""
    runs = _runs(results, "rankme")
    return Colours(runs, "RankMe (source)", _norm(runs["colour"], LogNorm))


def by_accuracy(results: pd.DataFrame) -> Colours:
    """Runs coloured by top-1 accuracy on the source, by RankMe where it has no labels."""
    sources = results[results["role"] == "source"]
    if sources["top1"].isna().all():
        return by_rank(results)
    runs = _runs(sources, "top1")
    runs["colour"] *= _PERCENT
    return Colours(runs, f"Top-1 on {sources['dataset'].iloc[0]} (%)", _norm(runs["colour"]))


def _runs(results: pd.DataFrame, column: str) -> pd.DataFrame:
    runs = runs_of(results)
    table = runs[["method", "run"]].assign(colour=runs[column].astype(float))
    return table.assign(degenerate=degenerate(runs)).dropna(subset=["colour"])


def _norm(values: pd.Series, kind: type[Normalize] = Normalize) -> Normalize:
    low, high = values.min(), values.max()
    if not high > low:
        return kind(low * 0.99 - (kind is Normalize), high * 1.01 + (kind is Normalize))
    return kind(low, high)


def _panel(axes: Axes, lines: pd.DataFrame, norm: Normalize, x: Axis, y: Axis) -> None:
    runs = [run for _, run in lines.groupby("run", sort=False)]
    many = len(runs) > _MANY_RUNS
    for hollow in (False, True):
        chosen = [run for run in runs if run["degenerate"].iloc[0] == hollow]
        collection = LineCollection(
            [run[["x", "y"]].to_numpy(float) for run in chosen],
            array=np.array([run["colour"].iloc[0] for run in chosen]),
            cmap=COLOURS,
            norm=norm,
            linewidths=0.5 if many else 1.0,
            linestyles=(0, (2, 1.5)) if hollow else "solid",
            alpha=0.6 if many else 1.0,
            rasterized=many,
        )
        axes.add_collection(collection)
    single = lines.groupby("run")["x"].transform("size") == 1
    axes.scatter(
        lines.loc[single, "x"],
        lines.loc[single, "y"],
        c=lines.loc[single, "colour"],
        cmap=COLOURS,
        norm=norm,
        s=6,
    )
    axes.set_xscale(x.scale)
    axes.set_yscale(y.scale)
    axes.autoscale_view()
    for scale, axis, values in (
        (x.scale, axes.xaxis, lines["x"]),
        (y.scale, axes.yaxis, lines["y"]),
    ):
        if scale == "log" and values.nunique() <= _FEW_VALUES:
            ticks = sorted(values.unique())
            axis.set_ticks(ticks[:: 1 + len(ticks) // 6], minor=False)
            axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            axis.set_minor_locator(NullLocator())
        elif scale == "log":
            _log_ticks(axis, values.max() / values[values > 0].min())
        else:
            whole = bool((values % 1 == 0).all())
            axis.set_major_locator(MaxNLocator(5, steps=style.TICK_STEPS, integer=whole))


def _log_ticks(axis: object, span: float) -> None:
    """Ticks as plain numbers, at 1, 2 and 5 where decades alone would be too few."""
    subs = (1, 2, 5) if span < 50 else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=8))  # type: ignore[attr-defined]
    if span < 1e4:
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))  # type: ignore[attr-defined]
    axis.set_minor_locator(NullLocator())  # type: ignore[attr-defined]
    axis.set_minor_formatter(NullFormatter())  # type: ignore[attr-defined]
