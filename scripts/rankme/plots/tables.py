"""The study's tables, from which alone figures are drawn."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path

import pandas as pd

from rankme.analysis import curves, groups, selection, statistics
from rankme.analysis.tables import Label, label_of, read_table, require_label


def _table(name: str, columns: Collection[str]) -> "cached_property[pd.DataFrame]":
    def read(tables: "Tables") -> pd.DataFrame:
        path = tables.folder / f"{name}.csv"
        table = read_table(path, columns)
        require_label(path, table, tables.label)
        return table

    return cached_property(read)


class Tables:
    """The tables in a folder, each read when it is first needed.

    Raises:
        UserError: when it is read, a table is missing, unfit, or of another study than `results`.
    """

    correlations = _table("correlations", statistics.COLUMNS)
    selection = _table("selection", selection.COLUMNS)
    training = _table("training", curves.TRAINING)
    spectra = _table("spectra", curves.SPECTRA)
    convergence = _table("convergence", curves.CONVERGENCE)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, **frames: pd.DataFrame) -> "Tables":
        """Tables held in memory, by name."""
        tables = cls(Path())
        vars(tables).update(frames)
        return tables

    @cached_property
    def results(self) -> pd.DataFrame:
        """The table of runs and datasets."""
        return read_table(self.folder / "results.csv", groups.NEEDED_COLUMNS)

    @cached_property
    def label(self) -> Label:
        """Whose the tables are."""
        return label_of(self.folder / "results.csv", self.results)


def pooled(statistics: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table of statistics about all non-degenerate runs of a method together."""
    return statistics[
        (statistics["sweep"] == groups.ALL_SWEEPS) & (statistics["runs"] == groups.NON_DEGENERATE)
    ]
