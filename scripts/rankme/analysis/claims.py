"""The paper's claims, each with a criterion that was fixed before there were results.

A claim is one function from the evidence to its findings: a statistic with an interval, and the
range that the claim puts it in. `rankme.analysis.verdicts` draws the verdicts. Why each criterion
is what it is: docs/claims.md.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
from scipy.stats import linregress, t

from rankme.analysis.coefficients import weighted_spearman
from rankme.analysis.curves import halving
from rankme.analysis.groups import MEAN, Group
from rankme.analysis.resampling import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    percentile_interval,
    resample_counts,
    resampled_means,
)
from rankme.analysis.selection import first
from rankme.analysis.statistics import correlate_columns
from rankme.analysis.verdicts import Claim, Evidence, Finder, Finding

SWEEPS = 5
RUNS_OF_SWEEP = 5
RUNS_OF_METHOD = 5
RUNS_TO_SELECT = 10
SAMPLES_PER_DIMENSION = 12.5

MATCHES = {"VICReg": -0.5, "VICReg-exp": -0.5, "VICReg-ctr": -0.5, "SimCLR": -1.0}
"""Points that RankMe may lose against the source's accuracy and still match it, or lose little."""

CLAIMS: list[Claim] = []
"""All claims, in the order of this file."""

_POINTS = 100.0
_BLOCK = 500


def _claim(name: str, criterion: str) -> Callable[[Finder], Finder]:
    """Register a function as a claim; the statement is its docstring."""

    def register(find: Finder) -> Finder:
        statement = " ".join((find.__doc__ or "").split()).rstrip(".")
        CLAIMS.append(Claim(name, statement, criterion, find))
        return find

    return register


def _too_few(n: int, needed: int, what: str = "runs") -> str:
    """Why nothing can be said of so few; "" where something can."""
    return f"{n} {what}, at least {needed} are needed" if n < needed else ""


def _labelled(groups: Iterable[Group], *roles: str) -> Iterator[tuple[Group, str]]:
    """Each group with each of its labelled datasets of these roles."""
    for group in groups:
        yield from ((group, dataset) for dataset, role in group.roles.items() if role in roles)


def _correlation(
    evidence: Evidence,
    group: Group,
    dataset: str,
    columns: tuple[str, str],
    above: float,
    name: str = "spearman",
) -> Finding:
    """Of two columns of the results on one dataset, over the runs of a group."""
    row = correlate_columns(*(evidence.column(group, dataset, column) for column in columns))
    scope = f"{group.method}, {dataset}"
    statistic = {"spearman": "Spearman's rho", "pearson": "Pearson's r"}[name]
    if reason := row.get("reason", "") or _too_few(row["n"], RUNS_OF_METHOD):
        return Finding(scope, statistic, n=row["n"], reason=reason)
    value, low, high, p = (float(row[name + end]) for end in ("", "_low", "_high", "_p"))
    test = p if above == 0 else 0.0
    return Finding(scope, statistic, value, low, high, row["n"], (above, inf), test)


@_claim("C1", "rho > 0 in each method, p <= .05")
def positive_on_source(evidence: Evidence) -> Iterator[Finding]:
    """Within a method, RankMe on the source correlates positively with accuracy there."""
    for group, source in _labelled(evidence.methods, "source"):
        yield _correlation(evidence, group, source, ("rankme", "top1"), 0.0)


@_claim("C2", "rho > 0 in each method on each target and the mean, p <= .05")
def positive_on_targets(evidence: Evidence) -> Iterator[Finding]:
    """The same holds for each target and for their mean."""
    for group, dataset in _labelled(evidence.methods, "target", "mean"):
        yield _correlation(evidence, group, dataset, ("rankme", "top1"), 0.0)


@_claim("C3", "on the source: mean regret over sweeps < 0.5 points, worst < 1.4")
def small_regret(evidence: Evidence) -> Iterator[Finding]:
    """Selecting by RankMe loses little against labels."""
    own, statistic = ("rankme",), "regret in points"
    yield _over_sweeps("mean", evidence, own, statistic, (-inf, 0.5))
    yield _over_sweeps("worst", evidence, own, statistic, (-inf, 1.4))


@_claim("C4", "alpha-ReQ's mean and worst regret over sweeps are larger")
def better_than_alpha_req(evidence: Evidence) -> Iterator[Finding]:
    """RankMe beats alpha-ReQ in the mean and in the worst case."""
    both, statistic = ("alpha_req", "rankme"), "regret of alpha-ReQ less that of RankMe, in points"
    yield _over_sweeps("mean", evidence, both, statistic, (0, inf))
    yield _over_sweeps("worst", evidence, both, statistic, (0, inf))


def _over_sweeps(
    name: str,
    evidence: Evidence,
    metrics: tuple[str, ...],
    statistic: str,
    within: tuple[float, float],
) -> Finding:
    """The mean or worst regret of a metric over sweeps, less that of a second one where given.

    Sweeps and their runs are resampled.
    """
    statistic = f"{name} {statistic}"
    sweeps = [
        (group, source)
        for group, source in _labelled(evidence.sweeps, "source")
        if len(group.runs) >= RUNS_OF_SWEEP and set(metrics) <= set(group.scores().dropna(axis=1))
    ]
    kind = f"sweeps of {RUNS_OF_SWEEP} or more runs with labels"
    if reason := _too_few(len(sweeps), SWEEPS, kind):
        return Finding("all sweeps", statistic, n=len(sweeps), within=within, reason=reason)
    generator = np.random.default_rng(SEED)
    regrets = np.stack([_regrets(*sweep, metrics, generator) for sweep in sweeps], axis=1)
    drawn = generator.integers(len(sweeps), size=(1, len(sweeps), RESAMPLES))
    regrets[:, :, 1:] = np.take_along_axis(regrets[:, :, 1:], drawn, axis=1)
    of_metrics = regrets.mean(axis=1) if name == "mean" else regrets.max(axis=1)
    found = of_metrics[0] - of_metrics[1:].sum(axis=0)
    value, interval = float(found[0]), percentile_interval(found[1:])
    return Finding("all sweeps", statistic, value, *interval, len(sweeps), within)


def _regrets(
    group: Group, source: str, metrics: tuple[str, ...], generator: np.random.Generator
) -> np.ndarray:
    """Regrets on the source in points, of all runs and then of resampled ones, (metrics, 1 + B)."""
    top1, score = group.top1(source), group.scores()
    # Sweeps of as many runs share their resamples, which must not move together.
    resamples = generator.permutation(resample_counts(len(top1)))
    counts = np.concatenate([np.ones((1, len(top1)), np.uint8), resamples])
    best = top1[first(counts, np.argsort(-top1, kind="stable"))]
    orders = [np.argsort(-score[metric].to_numpy(float), kind="stable") for metric in metrics]
    return _POINTS * np.stack([best - top1[first(counts, order)] for order in orders])


@_claim("C5", "mean over targets: loses < 0.5 points for VICReg and its kin, < 1 for SimCLR")
def matches_source_oracle(evidence: Evidence) -> Iterator[Finding]:
    """On the targets, RankMe matches the source's accuracy as a selector."""
    statistic = "top-1 of RankMe's run less that of the source oracle's, in points"
    for group, source in _labelled(evidence.methods, "source"):
        if group.method not in MATCHES or MEAN not in group.roles:
            continue
        scope, within = f"{group.method}, {MEAN}", (MATCHES[group.method], inf)
        n = len(group.runs)
        if reason := _too_few(n, RUNS_TO_SELECT):
            yield Finding(scope, statistic, n=n, within=within, reason=reason)
            continue
        top1 = _POINTS * group.top1(MEAN)
        by_rank = np.argsort(-group.rank, kind="stable")
        by_source = np.argsort(-group.top1(source), kind="stable")
        counts = resample_counts(n)
        gains = top1[first(counts, by_rank)] - top1[first(counts, by_source)]
        value = top1[by_rank[0]] - top1[by_source[0]]
        yield Finding(scope, statistic, value, *percentile_interval(gains), n, within)


@_claim("C6", "r > .99 in each method on each target")
def rank_carries_over(evidence: Evidence) -> Iterator[Finding]:
    """RankMe on the source says what it is on a target."""
    targets = evidence.results.loc[evidence.results["role"] == "target", "dataset"].unique()
    for group in evidence.methods:
        for target in targets:
            columns = "rankme", "rankme_on_dataset"
            yield _correlation(evidence, group, target, columns, 0.99, "pearson")


@_claim("C7", "at 12.5 samples a dimension or fewer, half the samples move RankMe by < 2 %")
def samples_suffice(evidence: Evidence) -> Iterator[Finding]:
    """25,600 samples suffice at dimension 2048."""
    scope, statistic, within = "all runs", "change of RankMe at half the samples, in %", (-2.0, 2.0)
    if evidence.convergence.empty:
        reason = "RankMe against sample size was not measured"
        yield Finding(scope, statistic, within=within, reason=reason)
        return
    halved = evidence.non_degenerate_rows(halving(evidence.convergence))
    change, n = 100 * halved["change"].to_numpy(float), len(halved)
    ratio = (halved["samples"] / halved["k"]).max()
    value = float(change.mean()) if n else nan
    many = f"{ratio:.3g} samples a dimension, more than the {SAMPLES_PER_DIMENSION} claimed"
    if reason := _too_few(n, RUNS_OF_METHOD) or (many if ratio > SAMPLES_PER_DIMENSION else ""):
        yield Finding(scope, statistic, value, n=n, within=within, reason=reason)
        return
    interval = percentile_interval(resampled_means(change))
    yield Finding(scope, statistic, value, *interval, n, within)


@_claim("C8", "rho > .7 in each method on each dataset")
def train_predicts_test(evidence: Evidence) -> Iterator[Finding]:
    """Accuracy on training images predicts that on test images."""
    for group, dataset in _labelled(evidence.methods, "source", "target"):
        yield _correlation(evidence, group, dataset, ("train_top1", "top1"), 0.7)


@_claim("C9", "rho > .9 in each method on each dataset")
def embedding_follows_representation(evidence: Evidence) -> Iterator[Finding]:
    """Accuracy from embeddings is near-monotone in that from representations."""
    for group, dataset in _labelled(evidence.methods, "source", "target"):
        yield _correlation(evidence, group, dataset, ("top1_embedding", "top1"), 0.9)


@_claim("C10", "rho > 0 in each method on each dataset for both, p <= .05")
def other_readouts(evidence: Evidence) -> Iterator[Finding]:
    """The relation survives an MLP and nearest neighbours as read-outs."""
    for group, dataset in _labelled(evidence.methods, "source", "target"):
        for readout in ("knn", "mlp"):
            found = _correlation(evidence, group, dataset, ("rankme", f"top1_{readout}"), 0.0)
            yield replace(found, scope=f"{found.scope}, {readout}")


@_claim("C11", "source: slope within 1 point a doubling of RankMe in each method")
def plateau_above_classes(evidence: Evidence) -> Iterator[Finding]:
    """Accuracy is on a plateau once the rank exceeds the number of classes."""
    statistic = "slope above the number of classes, in points a doubling of RankMe"
    within = (-1.0, 1.0)
    for group, source in _labelled(evidence.methods, "source"):
        above = group.rank > 1 / evidence.column(group, source, "chance")
        rank, top1 = group.rank[above], _POINTS * group.top1(source)[above]
        scope, n = f"{group.method}, {source}", len(rank)
        reason = _too_few(n, RUNS_OF_METHOD, "runs of RankMe above the classes")
        if reason := reason or ("" if np.ptp(rank) else "RankMe is the same in all runs"):
            yield Finding(scope, statistic, n=n, within=within, reason=reason)
            continue
        fit = linregress(np.log2(rank), top1)
        half = float(t.ppf((1 + CONFIDENCE) / 2, n - 2) * fit.stderr)
        yield Finding(scope, statistic, fit.slope, fit.slope - half, fit.slope + half, n, within)


@_claim(
    "C12",
    "source: best run of under half the highest RankMe > 1 point behind the best; "
    "worst of over 90 % of it > 5 points behind",
)
def no_good_run_of_low_rank(evidence: Evidence) -> Iterator[Finding]:
    """No run of low rank is good; runs of full rank may be bad."""
    for group, source in _labelled(evidence.methods, "source"):
        scope, n, rank = f"{group.method}, {source}", len(group.runs), group.rank
        if reason := _too_few(n, RUNS_TO_SELECT):
            yield Finding(scope, "points behind the best run", n=n, reason=reason)
            continue
        names = ("top1", "top1_low", "top1_high")
        bounds = np.stack([_POINTS * evidence.column(group, source, name) for name in names])
        low, full = rank < rank.max() / 2, rank > 0.9 * rank.max()
        yield _gap(scope, "best run of low rank: points behind the best", bounds, low, 1, max)
        worst = _gap(scope, "worst run of full rank: points behind the best", bounds, full, 5, min)
        if worst.high <= 5:
            worst = replace(worst, reason=f"no such run among {n}, which does not rule them out")
        yield worst


def _gap(
    scope: str,
    statistic: str,
    bounds: np.ndarray,
    members: np.ndarray,
    above: float,
    choose: Callable[..., Any],
) -> Finding:
    """Top-1 of the best of all runs less that of the best or worst member (Newcombe 1998)."""
    n, within = bounds.shape[1], (above, inf)
    if not members.any():
        return Finding(scope, statistic, n=n, within=within, reason="no run has such a rank")
    best = int(np.nanargmax(bounds[0]))
    other = choose(np.flatnonzero(members).tolist(), key=lambda place: bounds[0, place])
    (a, a_low, a_high), (b, b_low, b_high) = bounds[:, best], bounds[:, other]
    low, high = a - b - np.hypot(a - a_low, b_high - b), a - b + np.hypot(a_high - a, b - b_low)
    return Finding(scope, statistic, a - b, low, high, n, within)


@_claim("C13", "C1 to C4 have the same verdicts on two sources")
def another_source(evidence: Evidence) -> Iterator[Finding]:
    """The claims hold with another source."""
    reason = "a study has one source: run it with another one and compare the verdicts on C1 to C4"
    yield Finding("all runs", "verdicts on C1 to C4", n=1, reason=reason)


@_claim("C14", "mean rho within methods > rho across them")
def fails_across_methods(evidence: Evidence) -> Iterator[Finding]:
    """RankMe does not compare runs of different methods (negative control)."""
    statistic = "mean rho within methods less rho across them"
    found = list(_labelled(evidence.methods, "source"))
    columns = [np.stack([group.rank, group.top1(source)], axis=1) for group, source in found]
    columns = [part for part in columns if len(part) >= RUNS_OF_METHOD]
    if reason := _too_few(len(columns), 2, f"methods of {RUNS_OF_METHOD} or more runs"):
        yield Finding("all methods", statistic, n=len(columns), reason=reason)
        return
    generator = np.random.default_rng(SEED)
    sizes = [len(part) for part in columns]
    counts = np.hstack([generator.permutation(resample_counts(size)) for size in sizes])
    value = _rho_gap(columns, np.ones((1, sum(sizes))))[0]
    # In blocks: all ranks of ten thousand runs in all resamples at once would take gigabytes.
    blocks = [_rho_gap(columns, counts[i : i + _BLOCK]) for i in range(0, RESAMPLES, _BLOCK)]
    interval = percentile_interval(np.concatenate(blocks))
    yield Finding("all methods", statistic, float(value), *interval, sum(sizes), (0, inf))


def _rho_gap(columns: list[np.ndarray], counts: np.ndarray) -> np.ndarray:
    """Mean rho within methods less rho across them in each resample (B, n) of all runs, (B,)."""
    ends = np.cumsum([len(part) for part in columns])[:-1]
    parts = zip(columns, np.split(counts, ends, axis=1), strict=True)
    within = np.mean([_rho(*part) for part in parts], axis=0)
    result: np.ndarray = within - _rho(np.concatenate(columns), counts)
    return result


def _rho(columns: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's rho of two columns (n, 2) in each resample, (B,)."""
    return weighted_spearman(columns[:, :1], columns[:, 1:])(counts)[:, 0]
