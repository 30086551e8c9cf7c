"""RankMe of the source embeddings while runs train."""

from matplotlib.figure import Figure

from rankme.plots import lines
from rankme.plots.lines import Axis
from rankme.plots.tables import Tables

TITLE = "RankMe while training"


def draw(tables: Tables) -> Figure:
    """Draw RankMe against the epoch, coloured by what the runs came to."""
    colours = lines.accuracy_colours(tables.results)
    return lines.draw(tables.training, Axis("epoch", "Epoch"), Axis("rankme", "RankMe"), colours)
