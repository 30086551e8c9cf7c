"""RankMe of the source embeddings while runs train."""

import pandas as pd
from matplotlib.figure import Figure

from rankme.plots import lines
from rankme.plots.lines import Axis


def draw(results: pd.DataFrame, training: pd.DataFrame) -> Figure:
    """Draw RankMe against the epoch, coloured by what the runs came to."""
    table = training.rename(columns={"epoch": "x", "rankme": "y"})
    return lines.draw(table, lines.by_accuracy(results), Axis("Epoch"), Axis("RankMe"))
