"""The figures there are: every file of this package with a `TITLE` and `draw(tables)`."""

from importlib import import_module
from typing import TYPE_CHECKING

from rankme.plugins import declared, files

# Matplotlib and pandas take a second to load, which who asks for titles alone need not wait for.
if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rankme.plots.tables import Tables

FIGURES: dict[str, str] = {
    name: offered["TITLE"]
    for name, file in files("plots").items()
    if "TITLE" in (offered := declared(file))
}
"""Title of each figure by name."""


def draw(name: str, tables: "Tables") -> "Figure":
    """Draw one of `FIGURES`, in the look that all share."""
    from matplotlib import rc_context

    from rankme.plots import style

    with rc_context(style.RC):
        return import_module(f"rankme.plots.{name}").draw(tables)
