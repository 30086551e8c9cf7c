"""Singular values of the source embeddings of every run."""

import pandas as pd
from matplotlib.figure import Figure

from rankme.plots import lines
from rankme.plots.lines import Axis


def draw(results: pd.DataFrame, spectra: pd.DataFrame) -> Figure:
    """Draw spectra on logarithmic axes, coloured by RankMe."""
    table = spectra.rename(columns={"index": "x", "singular_value": "y"})
    return lines.draw(
        table[table["y"] > 0],
        lines.by_rank(results),
        Axis("Index k", "log"),
        Axis(r"Singular value $\sigma_k / \sigma_1$", "log"),
    )
