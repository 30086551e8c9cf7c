"""What all figures share: colours, markers, sizes, and how a figure is saved."""

import logging
from collections.abc import Iterable
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rankme.errors import UserError
from rankme.files import write_bytes

COLUMN_INCHES = 3.5
PAGE_INCHES = 7.0
PNG_DPI = 300
TICK_STEPS = (1, 2, 2.5, 5, 10)

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
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
    "axes.linewidth": 0.5,
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


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches, free of any global state and of any display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def grid(panels: int, height: float, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Axes in rows of up to `columns`, each `height` inches high; wide as a column or a page."""
    across = min(panels, columns)
    down = ceil(panels / across)
    width = {1: COLUMN_INCHES, 2: 5.2}.get(across, PAGE_INCHES)
    figure = new_figure(width, down * height)
    cells = list(figure.subplots(down, across, squeeze=False).flatten())
    for empty in cells[panels:]:
        empty.remove()
    return figure, cells[:panels]


def nothing_to_draw(why: str) -> Figure:
    """A figure that says why it shows nothing."""
    with rc_context(RC):
        figure = new_figure(COLUMN_INCHES, 0.8)
        figure.text(0.5, 0.5, why, ha="center", va="center", wrap=True)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write `figure` as PDF, and as PNG beside it; the same figure gives the same bytes.

    Raises:
        UserError: `path` does not end in .pdf.
    """
    if path.suffix != ".pdf":
        raise UserError(f"{path}: a figure is written as .pdf, with a .png beside it")
    # Embedding fonts makes fontTools log some hundred lines at level INFO.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    targets = {path: {"CreationDate": None}, path.with_suffix(".png"): {}}
    for target, metadata in targets.items():
        buffer = BytesIO()
        with rc_context(RC):
            figure.savefig(buffer, format=target.suffix[1:], metadata=metadata, dpi=PNG_DPI)
        write_bytes(target, buffer.getvalue())
