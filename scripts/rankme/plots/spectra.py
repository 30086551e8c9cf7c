"""Singular values of the source embeddings of every run."""

from matplotlib.figure import Figure

from rankme.plots import lines
from rankme.plots.tables import Tables

TITLE = "singular values"


def draw(tables: Tables) -> Figure:
    """Draw spectra on logarithmic axes, coloured by RankMe."""
    positive = tables.spectra[tables.spectra["singular_value"] > 0]
    x = lines.Axis("index", "Index k", "log")
    y = lines.Axis("singular_value", r"Singular value $\sigma_k / \sigma_1$", "log")
    return lines.draw(positive, x, y, lines.rank_colours(tables.results))
