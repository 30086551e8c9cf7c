"""What it costs to choose a run by a label-free metric instead of by accuracy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rankme.analysis.groups import (
    DEFAULT,
    KEYS,
    Group,
    groups,
)
from rankme.analysis.noise import seed_noise
from rankme.analysis.resampling import percentile_interval, resample_counts

HIGHEST = "highest"
PLATEAU = "plateau"
GAINS = ("regret", "over_random", "over_default")
COLUMNS = (
    *KEYS,
    "metric",
    "tap",
    "rule",
    "n",
    "tied",
    "selected_run",
    "selected_value",
    "selected_top1",
    "best_run",
    "best_value",
    "best_top1",
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
    rows, before, found = [], None, []
    for group in groups(results):
        members = (group.method, group.sweep, tuple(group.runs.index))
        if members != before:
            before, found = members, list(_of_group(group))
        rows += [group.key(dataset) | row for dataset, row in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


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


def _of_group(group: Group) -> Iterator[tuple[str, dict[str, Any]]]:
    columns, table = group.columns, group.scores()
    default = (group.runs["sweep"] == DEFAULT).to_numpy()
    chosen = plateau_run(group.runs, group.sweep, seed_noise(group.runs))
    for dataset in map(str, group.accuracy):
        top1 = group.accuracy[dataset].to_numpy(float)
        for column, (metric, tap) in columns.items():
            usable = table[column].notna().to_numpy() & np.isfinite(top1)
            choice = _Choice(
                group.runs[usable], column, table[column].to_numpy()[usable], top1[usable]
            )
            about = {"metric": metric, "tap": tap}
            yield dataset, {**about, "rule": HIGHEST, **choice.row(default[usable])}
            if column == "rankme" and chosen is not None and usable.all():
                row = choice.row(default, fixed=chosen)
                yield dataset, {**about, "rule": PLATEAU, **row}


class _Choice:
    """A choice among runs by score, and what it costs."""

    def __init__(
        self, runs: pd.DataFrame, column: str, score: np.ndarray, top1: np.ndarray
    ) -> None:
        self.runs, self.values, self.top1 = runs, runs[column].to_numpy(float), top1
        self.by_score = np.argsort(-score, kind="stable")
        self.by_top1 = np.argsort(-top1, kind="stable")
        self.tied = int((score == score.max(initial=-np.inf)).sum())

    def row(self, default: np.ndarray, fixed: int | None = None) -> dict[str, Any]:
        """The columns of `select`; the selected run is `fixed` if given, without intervals."""
        n = len(self.top1)
        if n == 0:
            return {"n": 0, "tied": 0, "reason": "no run"}
        selected = self.by_score[0] if fixed is None else fixed
        random, usual = self.top1.mean(), self.top1[default].mean() if default.any() else np.nan
        row = {
            "n": n,
            "tied": self.tied,
            **self._about("selected", selected),
            **self._about("best", self.by_top1[0]),
            "random_top1": random,
            "default_top1": usual,
        }
        if n == 1:
            return row | {"reason": "only one run to choose from"}
        ours, best = self.top1[selected], self.top1[self.by_top1[0]]
        row |= dict(zip(GAINS, (best - ours, ours - random, ours - usual), strict=True))
        if fixed is not None:
            return row
        if n < INTERVAL_RUNS:
            return row | {"reason": f"no interval from fewer than {INTERVAL_RUNS} runs"}
        return row | self._intervals(usual)

    def _about(self, prefix: str, place: int) -> dict[str, Any]:
        return {
            f"{prefix}_run": self.runs["run"].iloc[place],
            f"{prefix}_value": self.values[place],
            f"{prefix}_top1": self.top1[place],
        }

    def _intervals(self, usual: float) -> dict[str, float]:
        counts = resample_counts(len(self.top1))
        ours, best = (self.top1[first(counts, o)] for o in (self.by_score, self.by_top1))
        random = counts @ self.top1 / len(self.top1)
        resampled = dict(zip(GAINS, (best - ours, ours - random, ours - usual), strict=True))
        bounds = {gain: percentile_interval(values) for gain, values in resampled.items()}
        return {
            f"{gain}_{end}": value
            for gain, pair in bounds.items()
            for end, value in zip(("low", "high"), pair, strict=True)
        }


def first(counts: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The first run in an order that each resample holds, int64 (B,)."""
    candidates = order[:_CANDIDATES]
    found: np.ndarray = candidates[(counts[:, candidates] > 0).argmax(axis=1)]
    return found
