"""Which run to use, chosen without labels, and how sure that is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rankme.analysis.groups import degenerate, runs_of
from rankme.analysis.noise import seed_noise
from rankme.analysis.resampling import RESAMPLES, SEED
from rankme.analysis.selection import TOLERANCE
from rankme.artefacts import RunFiles

_CHOICE = ("run", "rankme", "next_run", "next_rankme")
_CERTAINTY = ("equal", "seed_noise", "certainty")
COLUMNS = ("method", *_CHOICE, "n", *_CERTAINTY, "model", "reason")


def pick(results: pd.DataFrame) -> pd.DataFrame:
    """The run of highest source RankMe of each method, among runs that are not degenerate.

    RankMe compares runs of one method only, so that there is one run a method.

    Returns:
        A table of `COLUMNS`. `equal` counts the other runs whose RankMe is within seed noise;
        `seed_noise` is the standard deviation of log RankMe between seeds of one configuration;
        `certainty` the share of repetitions with other seeds in which this run stays first, were
        the noise normal and alike everywhere: both are empty where no configuration was repeated.
        `model` is the path of its PRETRAINED_MODEL below the results folder, empty for runs that
        were trained elsewhere.
    """
    by_method = runs_of(results).groupby("method", sort=False)
    rows = [_row(str(method), runs) for method, runs in by_method]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(method: str, runs: pd.DataFrame) -> dict[str, Any]:
    usable = runs[~degenerate(runs)]
    row: dict[str, Any] = {"method": method, "n": len(usable)}
    if usable.empty:
        return row | {"reason": "every run collapsed or diverged"}
    noise = seed_noise(runs)
    order = np.argsort(-usable["rankme"].to_numpy(float), kind="stable")
    first, log_rank = usable.iloc[order[0]], np.log(usable["rankme"].to_numpy(float)[order])
    row |= {"run": first["run"], "rankme": first["rankme"], "model": _model(first)}
    if len(usable) == 1:
        return row | {"reason": "it is the only run"}
    following = usable.iloc[order[1]]
    row |= {"next_run": following["run"], "next_rankme": following["rankme"]}
    if np.isnan(noise):
        return row | {"reason": "no configuration was run with several seeds"}
    equal = int((log_rank[1:] >= log_rank[0] - TOLERANCE * noise).sum())
    return row | {"equal": equal, "seed_noise": noise, "certainty": _certainty(log_rank, noise)}


def _model(run: pd.Series) -> str:
    file = run.get("rankme_file")
    return RunFiles(Path(file).parent).model.as_posix() if isinstance(file, str) else ""


def _certainty(log_rank: np.ndarray, noise: float) -> float:
    """How often the first stays the first once noise is added to all."""
    generator = np.random.default_rng(SEED)
    best = np.full(RESAMPLES, -np.inf)
    for value in log_rank[1:]:
        np.maximum(best, value + noise * generator.normal(size=RESAMPLES), out=best)
    return float((log_rank[0] + noise * generator.normal(size=RESAMPLES) > best).mean())


def sentences(picks: pd.DataFrame, tree: Path) -> Iterator[str]:
    """One plain sentence a method: which run, how sure, where its model is in the results tree."""
    for row in picks.to_dict("records"):
        if not isinstance(row["run"], str):
            yield f"Use no {row['method']} run: {row['reason']}."
            continue
        place = f" ({tree / row['model']})" if row["model"] else ""
        yield (
            f"Of {row['n']} {row['method']} run{'s' * (row['n'] > 1)} use {row['run']}{place}: "
            f"its RankMe, {row['rankme']:.1f}, is the highest{_how_sure(row)}."
        )


def _how_sure(row: dict[Any, Any]) -> str:
    if not isinstance(row["next_run"], str):
        return ", and it is the only run that neither collapsed nor diverged"
    ahead = f", before {row['next_rankme']:.1f}"
    if isinstance(row["reason"], str) and row["reason"]:
        return f"{ahead}; how sure that is cannot be said, since {row['reason']}"
    equal = {0: "no other run is", 1: "one other run is"}
    within = equal.get(row["equal"], f"{row['equal']:.0f} other runs are")
    return (
        f"{ahead}; with other seeds it would stay first in {row['certainty']:.0%} of cases "
        f"(seeds move RankMe by {row['seed_noise']:.1%}), and {within} within that noise"
    )
