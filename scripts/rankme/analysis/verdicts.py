"""How a claim becomes a verdict: findings with intervals, and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isfinite, isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from rankme.analysis.groups import ALL_SWEEPS, NON_DEGENERATE, Group, groups, with_mean_over_targets

REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "undecided"
OVERALL = "overall"
SIGNIFICANT = 0.05

_WEAKEST_FIRST = (NOT_REPRODUCED, UNDECIDED, REPRODUCED)


@dataclass(frozen=True)
class Finding:
    """One statistic and what the claim says of it.

    Attributes:
        scope: runs and dataset it is about.
        statistic: its name and unit.
        value, low, high: with its 95 % interval; NaN where there is none.
        n: runs, or what the scope counts.
        within: range that the claim puts it in.
        p: of the claim's null hypothesis, where there is a test beside the interval.
        reason: why nothing can be said; "" where something can.
    """

    scope: str
    statistic: str
    value: float = nan
    low: float = nan
    high: float = nan
    n: int = 0
    within: tuple[float, float] = (-inf, inf)
    p: float = 0.0
    reason: str = ""

    def verdict(self) -> tuple[str, str]:
        """Verdict and why: the whole interval inside `within`, the whole outside, or neither."""
        if self.reason:
            return UNDECIDED, self.reason
        if not (isfinite(self.low) and isfinite(self.high)):
            return UNDECIDED, f"no interval from n = {self.n}"
        lowest, highest = self.within
        outside = self.high <= lowest or self.low >= highest
        inside = self.low > lowest and self.high < highest
        if not (inside or outside):
            return UNDECIDED, "the interval reaches to both sides of the criterion"
        if self.p > SIGNIFICANT:
            return UNDECIDED, f"p = {self.p:.2g} of n = {self.n} is above {SIGNIFICANT}"
        return (REPRODUCED if inside else NOT_REPRODUCED), ""

    def margin(self) -> float:
        """How far inside the range the interval ends, for telling the weakest finding."""
        margin = min(self.low - self.within[0], self.within[1] - self.high)
        return inf if isnan(margin) else margin


@dataclass
class Evidence:
    """What the claims are judged on.

    Attributes:
        results: table of `rankme.analysis.collect`.
        convergence: table of `rankme.analysis.curves`; empty where it was not measured.
    """

    results: pd.DataFrame
    convergence: pd.DataFrame = field(default_factory=pd.DataFrame)

    @cached_property
    def groups(self) -> list[Group]:
        """Non-degenerate runs, by method and sweep."""
        return [group for group in groups(self.results) if group.subset == NON_DEGENERATE]

    @cached_property
    def methods(self) -> list[Group]:
        """All non-degenerate runs of each method."""
        return [group for group in self.groups if group.sweep == ALL_SWEEPS]

    @cached_property
    def sweeps(self) -> list[Group]:
        """Those of each sweep."""
        return [group for group in self.groups if group.sweep != ALL_SWEEPS]

    @cached_property
    def _points(self) -> pd.DataFrame:
        return with_mean_over_targets(self.results)

    def non_degenerate_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table by "method" and "run" that are about non-degenerate runs."""
        kept = [run for group in self.methods for run in group.runs.index]
        return table[pd.MultiIndex.from_frame(table[["method", "run"]]).isin(kept)]

    def column(self, group: Group, dataset: str, name: str) -> np.ndarray:
        """A column of `results` on one dataset, for the runs of a group, (n,); NaN if unknown."""
        rows = self._points[self._points["dataset"] == dataset].set_index(["method", "run"])
        return rows.reindex(index=group.runs.index, columns=[name])[name].to_numpy(float)


Finder = Callable[[Evidence], Iterator[Finding]]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, when it counts as reproduced, and the function that finds out."""

    name: str
    statement: str
    criterion: str
    find: Finder


def judge(claims: Sequence[Claim], evidence: Evidence) -> pd.DataFrame:
    """The claims on the evidence, as a table.

    A claim's first row, of scope `OVERALL`, is its verdict: that of its weakest finding, so that it
    is reproduced only if it is everywhere, and not reproduced if it is refuted anywhere. Where a
    claim has one scope alone this is its row.
    """
    rows = []
    for claim in claims:
        found = list(claim.find(evidence)) or [Finding("", "", reason="no run or no label speaks")]
        judged = [(finding, *finding.verdict()) for finding in found]
        weakest = min(judged, key=lambda entry: (_WEAKEST_FIRST.index(entry[1]), entry[0].margin()))
        rows.append(_row(claim, OVERALL, *weakest))
        rows += [_row(claim, entry[0].scope, *entry) for entry in judged]
    return pd.DataFrame(rows)


def _row(claim: Claim, scope: str, finding: Finding, verdict: str, reason: str) -> dict[str, Any]:
    overall = scope == OVERALL and finding.scope
    return {
        "claim": claim.name,
        "scope": scope,
        "statement": claim.statement,
        "criterion": claim.criterion,
        "statistic": f"{finding.statistic} ({finding.scope})" if overall else finding.statistic,
        **{key: getattr(finding, key) for key in ("value", "low", "high", "n")},
        "verdict": verdict,
        "reason": reason,
    }
