"""Loss while runs train."""

from matplotlib.figure import Figure

from rankme.plots import lines
from rankme.plots.lines import Axis
from rankme.plots.tables import Tables

TITLE = "loss while training"


def draw(tables: Tables) -> Figure:
    """Draw the loss against the epoch, coloured by what the runs came to."""
    colours = lines.accuracy_colours(tables.results)
    return lines.draw(
        tables.training, Axis("epoch", "Epoch"), Axis("loss", "Training loss"), colours
    )
