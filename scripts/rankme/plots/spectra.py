"""Singular values of the source embeddings of every run."""

from matplotlib.figure import Figure

from rankme.plots import lines
from rankme.plots.lines import Axis
from rankme.plots.tables import Tables

TITLE = "singular values"


def draw(tables: Tables) -> Figure:
    """Draw spectra on logarithmic axes, coloured by RankMe."""
    positive = tables.spectra[tables.spectra["singular_value"] > 0]
    x = Axis("index", "Index k", "log")
    y = Axis("singular_value", r"Singular value $\sigma_k / \sigma_1$", "log")
    return lines.draw(positive, x, y, lines.rank_colours(tables.results))
