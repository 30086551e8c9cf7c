"""Loss while runs train."""

from matplotlib.figure import Figure

from rankme.plots import lines
from rankme.plots.tables import Tables

TITLE = "loss while training"


def draw(tables: Tables) -> Figure:
    """Draw the loss against the epoch, coloured by what the runs came to."""
    x, y = lines.Axis("epoch", "Epoch"), lines.Axis("loss", "Training loss")
    return lines.draw(tables.training, x, y, lines.accuracy_colours(tables.results))
