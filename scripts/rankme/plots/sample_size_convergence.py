"""RankMe against the number of images it is measured on."""

from matplotlib.figure import Figure

from rankme.analysis.curves import KEYS
from rankme.plots import lines
from rankme.plots.tables import Tables

TITLE = "RankMe against sample size"


def draw(tables: Tables) -> Figure:
    """Draw RankMe relative to its value on all images, coloured by that value."""
    table = tables.convergence.sort_values("samples", kind="stable")
    whole = table.groupby(list(KEYS), sort=False)["mean"].transform("last")
    x = lines.Axis("samples", "Source images measured", "log")
    y = lines.Axis("relative", "RankMe / RankMe of all images")
    table = table.assign(relative=table["mean"] / whole)
    return lines.draw(table, x, y, lines.rank_colours(tables.results))
