"""All figures by name: what each is drawn from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from rankme.analysis import curves, groups, selection, statistics
from rankme.analysis.tables import read_table
from rankme.plots import (
    metric_comparison,
    rank_over_training,
    rank_source_vs_target,
    rank_vs_acc,
    sample_size_convergence,
    selection_regret,
    spectra,
    training_curves,
)


@dataclass
class Tables:
    """The tables in a folder, each read when it is needed."""

    folder: Path

    @cached_property
    def results(self) -> pd.DataFrame:
        return read_table(self.folder / "results.csv", groups.NEEDED_COLUMNS)

    @cached_property
    def correlations(self) -> pd.DataFrame:
        return read_table(self.folder / "correlations.csv", statistics.COLUMNS)

    @cached_property
    def selection(self) -> pd.DataFrame:
        return read_table(self.folder / "selection.csv", selection.COLUMNS)

    @cached_property
    def training(self) -> pd.DataFrame:
        return read_table(self.folder / "training.csv", curves.TRAINING)

    @cached_property
    def spectra(self) -> pd.DataFrame:
        return read_table(self.folder / "spectra.csv", curves.SPECTRA)

    @cached_property
    def convergence(self) -> pd.DataFrame:
        return read_table(self.folder / "convergence.csv", curves.CONVERGENCE)


FIGURES: dict[str, Callable[[Tables], Figure]] = {
    "rank_vs_acc": lambda t: rank_vs_acc.draw(t.results, t.correlations, t.selection),
    "metric_comparison": lambda t: metric_comparison.draw(t.correlations),
    "selection_regret": lambda t: selection_regret.draw(t.selection),
    "rank_source_vs_target": lambda t: rank_source_vs_target.draw(t.results),
    "rank_over_training": lambda t: rank_over_training.draw(t.results, t.training),
    "training_curves": lambda t: training_curves.draw(t.results, t.training),
    "spectra": lambda t: spectra.draw(t.results, t.spectra),
    "sample_size_convergence": lambda t: sample_size_convergence.draw(t.results, t.convergence),
}
