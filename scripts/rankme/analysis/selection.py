"""What it costs to choose a run by RankMe, without labels, instead of by accuracy."""

from typing import Any

import pandas as pd

from rankme.analysis.groups import KEYS, METRIC, groups

COLUMNS = (
    *KEYS,
    "metric",
    "n",
    "tied",
    "selected_run",
    "selected_rankme",
    "selected_top1",
    "best_run",
    "best_rankme",
    "best_top1",
    "mean_top1",
    "regret",
    "reason",
)


def select(results: pd.DataFrame) -> pd.DataFrame:
    """The run of highest source RankMe and the run of highest top-1, for every group of `groups`.

    Returns:
        A table of `COLUMNS`. `n` counts runs; `tied` counts those that share the highest RankMe,
        of which the first in the table's order is selected: accuracy never decides. `regret` =
        best_top1 - selected_top1, and `mean_top1` is what a random choice gives on average, all
        as fractions. With a single run there is nothing to choose: no regret, and `reason` says so.
    """
    rows = [{**key, "metric": METRIC, **selection(runs)} for key, runs in groups(results)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def selection(runs: pd.DataFrame) -> dict[str, Any]:
    """The columns of `select` for one group of runs."""
    if runs.empty:
        return {"n": 0, "tied": 0, "reason": "no run"}
    selected, best = (runs.nlargest(1, column).iloc[0] for column in (METRIC, "top1"))
    verdict = (
        {"regret": best["top1"] - selected["top1"]}
        if len(runs) > 1
        else {"reason": "only one run to choose from"}
    )
    return {
        "n": len(runs),
        "tied": int((runs[METRIC] == selected[METRIC]).sum()),
        **_about("selected", selected),
        **_about("best", best),
        "mean_top1": runs["top1"].mean(),
        **verdict,
    }


def _about(prefix: str, run: pd.Series) -> dict[str, Any]:
    return {f"{prefix}_{column}": run[column] for column in ("run", "rankme", "top1")}
