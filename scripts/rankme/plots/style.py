"""What all figures share: looks, panels, legends, ticks, and how a figure is saved."""

import logging
from collections.abc import Collection, Iterable, Mapping
from io import BytesIO
from math import ceil, isnan
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rankme.errors import UserError
from rankme.files import write_bytes

COLUMN_INCHES = 3.5
PAGE_INCHES = 7.0
PERCENT = 100.0
TICK_STEPS = (1, 2, 2.5, 5, 10)

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's colour-blind safe palette, its faint yellow last."""

MARKERS = ("o", "^", "D", "v", "P", "<", "X", ">", "p", "h", "d", "8")
"""Told apart at 3 points and when hollow; the square is kept for marking runs."""

RC: dict[Any, Any] = {
    "font.size": 7,
    "axes.labelsize": 7.5,
    "figure.labelsize": 7.5,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.5,
    "axes.titlelocation": "left",
    "axes.titlesize": 7,
    "axes.titleweight": "bold",
    "axes.xmargin": 0.1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "xtick.minor.width": 0.4,
    "pdf.fonttype": 42,
}


def assign(names: Iterable[str], looks: tuple[str, ...], what: str) -> dict[str, str]:
    """A look of its own for each name, in order.

    Raises:
        UserError: there are more names than looks that a reader can tell apart.
    """
    distinct = list(dict.fromkeys(names))
    if len(distinct) > len(looks):
        raise UserError(
            f"the figure has {len(distinct)} {what} ({', '.join(distinct)}) and can tell "
            f"{len(looks)} apart; split the study into several configurations"
        )
    return dict(zip(distinct, looks, strict=False))


def method_colours(runs: pd.DataFrame) -> dict[str, str]:
    """A colour for each method in the column "method"."""
    return assign(runs["method"], COLOURS, "methods")


def panels(
    table: pd.DataFrame, by: str, height: float, columns: int = 3
) -> tuple[Figure, list[tuple[str, Axes, pd.DataFrame]]]:
    """A figure with a panel for each value of the column `by`: the value, axes, and its rows.

    The panels stand in rows of up to `columns`, each `height` inches high; the figure is as wide
    as a column or a page.
    """
    groups = [(str(value), rows) for value, rows in table.groupby(by, sort=False)]
    across = min(len(groups), columns)
    down = ceil(len(groups) / across)
    width = {1: COLUMN_INCHES, 2: 5.2}.get(across, PAGE_INCHES)
    figure = Figure(figsize=(width, down * height), layout="constrained")
    cells = list(figure.subplots(down, across, squeeze=False).flatten())
    for empty in cells[len(groups) :]:
        empty.remove()
    return figure, [(value, axes, rows) for axes, (value, rows) in zip(cells, groups, strict=False)]


def nothing_to_draw(why: str) -> Figure:
    """A figure that says why it shows nothing."""
    figure = Figure(figsize=(COLUMN_INCHES, 0.8), layout="constrained")
    figure.text(0.5, 0.5, why, ha="center", va="center", wrap=True)
    return figure


def dots(axes: Axes, x: Any, y: Any, colour: str, hollow: bool, edge: float, **look: Any) -> None:
    """A dot a run, hollow with a line of `edge` points where the runs are degenerate."""
    face, line, width = ("white", colour, edge) if hollow else (colour, "white", 0.25)
    axes.plot(x, y, ls="none", mfc=face, mec=line, mew=width, **look)


def sample(**look: Any) -> Line2D:
    """What a legend shows of a marker."""
    return Line2D([], [], linestyle="none", **look)


def patch(colour: str) -> Line2D:
    """What a legend shows of a colour."""
    return sample(marker="s", markersize=4, color=colour)


def legend(figure: Figure, entries: Mapping[str, Line2D], columns: int) -> None:
    """A legend of the whole figure above its panels."""
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=columns)


def header(axes: Axes, title: str, texts: Mapping[str, str], **spacing: float) -> None:
    """A title and a text for each colour, above the data: nothing can be hidden."""
    look: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "alignment": "left"}
    look |= {"borderpad": 0, "borderaxespad": 0.3, "handlelength": 0.7, "handletextpad": 0.3}
    look |= {"title": title, "title_fontproperties": {"weight": "bold", "size": 7}, **spacing}
    patches = [patch(colour) for colour in texts]
    axes.legend(patches, list(texts.values()), ncols=2, **look)


def coefficient(symbol: str, value: float, runs: int, digits: int) -> str:
    """A correlation and its number of runs; NaN is not available."""
    text = "n/a" if isnan(value) else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return f"{symbol} {text} ({runs})"


def rows(axes: Axes, labels: Collection[str]) -> None:
    """A row for each label, from the top; the labels stand at the first panel of a line alone."""
    axes.set_yticks(range(len(labels)), list(labels))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(labelleft=axes.get_subplotspec().is_first_col())  # type: ignore[union-attr]


def log_ticks(axis: Axis, span: float) -> None:
    """Ticks as plain numbers, at 1, 2 and 5 where decades alone would be too few."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 50 else (1,), numticks=8))
    if span < 1e4:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def signature(study: str, digest: str) -> str:
    """What a figure says about where it is from."""
    return f"study {study}, digest {digest}"


@rc_context(RC)
def save(figure: Figure, path: Path, study: str, digest: str) -> None:
    """Write `figure` as PDF, and as PNG beside it; the same figure gives the same bytes.

    Both say in their metadata which study they show.

    Raises:
        UserError: `path` does not end in .pdf.
    """
    if path.suffix != ".pdf":
        raise UserError(f"{path}: a figure is written as .pdf, with a .png beside it")
    # Embedding fonts makes fontTools log some hundred lines at level INFO.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    about = signature(study, digest)
    metadata = {"Title": f"{path.stem}, {about}", "Subject": about, "CreationDate": None}
    for target in (path, path.with_suffix(".png")):
        buffer = BytesIO()
        figure.savefig(buffer, format=target.suffix[1:], metadata=metadata, dpi=300)
        write_bytes(target, buffer.getvalue())
