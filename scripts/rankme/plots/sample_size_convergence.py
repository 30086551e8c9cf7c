"""RankMe against the number of images it is measured on."""

import pandas as pd
from matplotlib.figure import Figure

from rankme.plots import lines
from rankme.plots.lines import Axis


def draw(results: pd.DataFrame, convergence: pd.DataFrame) -> Figure:
    """Draw RankMe relative to its value on all images, coloured by that value."""
    keys = ["method", "run"]
    table = convergence.sort_values("samples", kind="stable")
    whole = table.groupby(keys, sort=False)["mean"].transform("last")
    table = table.assign(x=table["samples"], y=table["mean"] / whole)
    return lines.draw(
        table,
        lines.by_rank(results),
        Axis("Source images measured", "log"),
        Axis("RankMe / RankMe of all images"),
    )
