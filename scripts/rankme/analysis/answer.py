"""The answer in words: which run to use, what that costs, and which claims hold."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pandas as pd

from rankme.analysis.groups import ALL_SWEEPS, MEAN, NON_DEGENERATE
from rankme.analysis.pick import sentences
from rankme.analysis.selection import HIGHEST
from rankme.analysis.verdicts import OVERALL


def answer(
    picks: pd.DataFrame, selection: pd.DataFrame, claims: pd.DataFrame, results_folder: str
) -> str:
    """The study's answer as reStructuredText: its first paragraphs are plain sentences.

    Args:
        picks: table of `rankme.analysis.pick.pick`.
        selection: table of `rankme.analysis.selection.select`.
        claims: table of `rankme.analysis.verdicts.judge`.
        results_folder: what paths to models begin with.
    """
    lines = [*sentences(picks, results_folder)]
    if len(picks) > 1:
        lines.append("RankMe compares runs of one method; it does not say which method is better.")
    costs = list(_costs(selection))
    lines += costs or ["No dataset has labels, so that what these choices cost is not known."]
    return "\n\n".join([*map(_plain, lines), _verdicts(claims)]) + "\n"


def _costs(selection: pd.DataFrame) -> Iterator[str]:
    """What RankMe's choice among all sound runs of a method loses against labels."""
    chosen = selection[
        (selection["sweep"] == ALL_SWEEPS)
        & (selection["runs"] == NON_DEGENERATE)
        & (selection["metric"] == "rankme")
        & (selection["tap"] == "embedding")
        & (selection["rule"] == HIGHEST)
        & selection["regret"].notna()
        & selection["role"].isin(["source", "mean"])
    ]
    for method, rows in chosen.groupby("method", sort=False):
        parts = [
            f"{100 * row['regret']:.1f} points{_between(row)} on "
            f"{f'the {MEAN}' if row['role'] == 'mean' else row['dataset']}"
            for row in rows.to_dict("records")
        ]
        among = f"choosing among {int(rows['n'].max())} {method} runs by RankMe"
        yield f"Against labels, {among} loses {', '.join(parts)}."


def _between(row: dict[Any, Any]) -> str:
    if pd.isna(row["regret_low"]):
        return ""
    return f" ({100 * row['regret_low']:.1f} to {100 * row['regret_high']:.1f})"


def _verdicts(claims: pd.DataFrame) -> str:
    """The table of claims as a csv-table directive."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for row in claims[claims["scope"] == OVERALL].to_dict("records"):
        found = "" if pd.isna(row["value"]) else f"{row['value']:.3g}"
        if not pd.isna(row["low"]):
            found += f" ({row['low']:.3g} to {row['high']:.3g})"
        why = row["reason"] or row["statistic"]
        writer.writerow(
            map(_plain, [row["claim"], row["statement"], row["verdict"], found, row["n"], why])
        )
    body = "".join(f"   {line}\n" for line in stream.getvalue().splitlines())
    title = "Claims of the paper; each verdict is that of its weakest finding (claims.csv has all)"
    names = '"", "claim", "verdict", "statistic (95 % interval)", "n", "of what, or why"'
    options = f"   :header: {names}\n   :widths: 5 32 14 18 5 26"
    return f".. csv-table:: {title}\n{options}\n\n{body}"


def _plain(value: object) -> str:
    """Text in which no character is markup."""
    return "".join(f"\\{c}" if c in "\\*`|_" else c for c in str(value))
