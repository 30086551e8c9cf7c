"""What it costs to choose a run by a label-free metric instead of by accuracy."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rankme.analysis.groups import KEYS, Group, rows_by_group
from rankme.analysis.noise import seed_noise
from rankme.analysis.resampling import percentile_interval, resample_counts, resampled_means
from rankme.study.runs import DEFAULT

HIGHEST = "highest"
PLATEAU = "plateau"
GAINS = ("regret", "over_random", "over_default")
COLUMNS = (
    *KEYS,
    "metric",
    "layer",
    "rule",
    "n",
    "tied",
    *(f"{which}_{part}" for which in ("selected", "best") for part in ("run", "value", "top1")),
    "random_top1",
    "default_top1",
    *(f"{gain}{part}" for gain in GAINS for part in ("", "_low", "_high")),
    "reason",
)
INTERVAL_RUNS = 4
"""Fewer runs leave too little for a resample to differ in."""

TOLERANCE = 1.96 * np.sqrt(2)
"""Seed deviations that two runs of one configuration differ by in 19 of 20 cases at most."""

_CANDIDATES = 40
"""The best 40 runs by any order: a resample without all of them has probability below 1e-17."""


def select(results: pd.DataFrame) -> pd.DataFrame:
    """The run that each metric selects on the source, against oracle, random choice and default.

    For every group of `groups`, metric and labelled dataset: the run of highest score ("highest"),
    and in the sweep of an ordered hyperparameter the run that RankMe selects by the plateau rule
    (`plateau_run`).

    Returns:
        A table of `COLUMNS`. `n` counts runs; `tied` those that share the highest score, of which
        the first in the table's order is selected: accuracy never decides. `regret` = best_top1 -
        selected_top1, `over_random` = selected_top1 - random_top1 (the mean of the runs), and
        `over_default` likewise against the mean of the runs at the default settings, all as
        fractions. Intervals are percentiles over 10,000 resamples of the runs, in which selected
        and best run are found anew. `reason` says why something is missing.
    """
    return pd.DataFrame(rows_by_group(results, _choices), columns=list(COLUMNS))


def plateau_run(runs: pd.DataFrame, parameter: str, noise: float) -> int | None:
    """Place of the run that the plateau rule selects; None where it has no ordered hyperparameter.

    Runs whose RankMe is within seed noise of the highest are equal to it; of these it is the one
    nearest to where RankMe is low, that is of the smallest value if RankMe rises with the
    hyperparameter, else of the largest (Garrido et al. 2023, section 4; the tolerance is ours).

    Args:
        runs: a row a run.
        parameter: the swept hyperparameter.
        noise: standard deviation of log RankMe between seeds, NaN if unknown (none is equal then).
    """
    if parameter not in runs or len(runs) < 2:
        return None
    values = pd.to_numeric(runs[parameter], errors="coerce").to_numpy(float)
    if np.isnan(values).any() or len(np.unique(values)) < 2:
        return None
    log_rank = np.log(runs["rankme"].to_numpy(float))
    equal = log_rank >= np.nanmax(log_rank) - TOLERANCE * np.nan_to_num(noise)
    rising = np.nansum((values - values.mean()) * (log_rank - np.nanmean(log_rank))) >= 0
    edge = values[equal].min() if rising else values[equal].max()
    places = np.flatnonzero(equal & (values == edge))
    return int(places[np.argmax(log_rank[places])])


def _choices(group: Group) -> Iterator[tuple[str, dict[str, Any]]]:
    table, names = group.scores(), group.runs["run"].to_numpy()
    default = (group.runs["sweep"] == DEFAULT).to_numpy()
    chosen = plateau_run(group.runs, group.sweep, seed_noise(group.runs))
    for dataset in map(str, group.accuracy):
        top1, shared = group.top1(dataset), dict[bytes, _Choice]()
        for column, (metric, layer) in group.columns.items():
            score = table[column].to_numpy(float)
            usable = np.isfinite(score) & np.isfinite(top1)
            if (key := usable.tobytes()) not in shared:
                shared[key] = _Choice(names[usable], top1[usable], default[usable])
            choice = shared[key]
            values = group.runs[column].to_numpy(float)[usable]
            about = {"metric": metric, "layer": layer}
            yield dataset, {**about, "rule": HIGHEST, **choice.row(score[usable], values)}
            if column == "rankme" and chosen is not None and usable.all():
                row = choice.row(score, values, fixed=chosen)
                yield dataset, {**about, "rule": PLATEAU, **row}


class _Choice:
    """A choice among runs with accuracies, and what it costs; what metrics share is done once."""

    def __init__(self, names: np.ndarray, top1: np.ndarray, default: np.ndarray) -> None:
        self.names, self.top1 = names, top1
        self.by_top1 = np.argsort(-top1, kind="stable")
        self.random = top1.mean() if len(top1) else np.nan
        self.usual = top1[default].mean() if default.any() else np.nan

    def row(
        self, score: np.ndarray, values: np.ndarray, fixed: int | None = None
    ) -> dict[str, Any]:
        """The columns of `select`; the selected run is `fixed` if given, without intervals."""
        n = len(self.top1)
        if n == 0:
            return {"n": 0, "tied": 0, "reason": "no run"}
        order = np.argsort(-score, kind="stable")
        selected, best = order[0] if fixed is None else fixed, self.by_top1[0]
        row: dict[str, Any] = {"n": n, "tied": int((score == score[order[0]]).sum())}
        for prefix, place in (("selected", selected), ("best", best)):
            row |= {
                f"{prefix}_run": self.names[place],
                f"{prefix}_value": values[place],
                f"{prefix}_top1": self.top1[place],
            }
        row |= {"random_top1": self.random, "default_top1": self.usual}
        if n == 1:
            return row | {"reason": "only one run to choose from"}
        row |= self._gains(self.top1[selected], self.top1[best], self.random)
        if fixed is not None:
            return row
        if n < INTERVAL_RUNS:
            return row | {"reason": f"no interval from fewer than {INTERVAL_RUNS} runs"}
        ours = self.top1[first(resample_counts(n), order)]
        for gain, resampled in self._gains(ours, *self._resampled).items():
            row[f"{gain}_low"], row[f"{gain}_high"] = percentile_interval(resampled)
        return row

    def _gains(self, ours: Any, best: Any, random: Any) -> dict[str, Any]:
        return dict(zip(GAINS, (best - ours, ours - random, ours - self.usual), strict=True))

    @cached_property
    def _resampled(self) -> tuple[np.ndarray, np.ndarray]:
        """Top-1 of the best run and of a random one in each resample."""
        best = self.top1[first(resample_counts(len(self.top1)), self.by_top1)]
        return best, resampled_means(self.top1)


def first(counts: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The first run in an order that each resample holds, int64 (B,)."""
    candidates = order[:_CANDIDATES]
    found: np.ndarray = candidates[(counts[:, candidates] > 0).argmax(axis=1)]
    return found
