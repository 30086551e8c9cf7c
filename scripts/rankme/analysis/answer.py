"""The answer in words: which run to use, what that costs, and which claims hold."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import pandas as pd

from rankme.analysis.groups import ALL_SWEEPS, MEAN, NON_DEGENERATE
from rankme.analysis.pick import sentences
from rankme.analysis.selection import HIGHEST
from rankme.analysis.tables import Label
from rankme.analysis.verdicts import OVERALL


def answer(
    label: Label,
    results: pd.DataFrame,
    picks: pd.DataFrame,
    selection: pd.DataFrame,
    claims: pd.DataFrame,
    tree: Path,
) -> str:
    """The study's answer as reStructuredText: its first paragraphs are plain sentences.

    Args:
        label: whose answer it is.
        results, picks, selection, claims: tables of `results_table`, `pick`, `select` and `judge`.
        tree: the results tree, with which paths to models begin.
    """
    lines = [_head(label, results), *sentences(picks, tree)]
    if len(picks) > 1:
        lines.append("RankMe compares runs of one method; it does not say which method is better.")
    if results["top1"].notna().any():
        lines += _costs(selection)
    elif len(picks):
        lines.append("No dataset has labels, so that what these choices cost is not known.")
    return "\n\n".join([*map(_plain, lines), _verdicts(claims)]) + "\n"


def _head(label: Label, results: pd.DataFrame) -> str:
    """Whose runs this is about, and how many."""
    runs = results.drop_duplicates(["method", "run"])
    controls = runs[runs["control"].astype(bool)]
    head = f"Study {label.study} (digest {label.digest}), {_count(len(runs), 'run')}"
    if controls.empty:
        return f"{head}."
    names = ", ".join(controls["method"].unique())
    if len(controls) < len(runs):
        return f"{head}, of which {_count(len(controls), 'control')} ({names})."
    return f"{head} of controls alone ({names}): there is no run to choose."


def _costs(selection: pd.DataFrame) -> Iterator[str]:
    """What RankMe's choice among all non-degenerate runs of a method loses against labels."""
    wanted = {"sweep": ALL_SWEEPS, "runs": NON_DEGENERATE, "rule": HIGHEST}
    wanted |= {"metric": "rankme", "layer": "embedding"}
    chosen = selection[(selection[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    chosen = chosen[(chosen["n"] > 0) & chosen["role"].isin(["source", "mean"])]
    for method, rows in chosen.groupby("method", sort=False):
        known = rows[rows["regret"].notna()]
        if known.empty:
            why = rows["reason"].iloc[0]
            yield f"What choosing a {method} run by RankMe costs is not known: {why}."
            continue
        losses = ", ".join(map(_loss, known.to_dict("records")))
        among = f"choosing among {int(known['n'].max())} {method} runs by RankMe"
        yield f"Against labels, {among} loses {losses}."


def _loss(row: dict[Any, Any]) -> str:
    place = f"the {MEAN}" if row["role"] == "mean" else row["dataset"]
    interval = ""
    if not pd.isna(row["regret_low"]):
        interval = f" ({100 * row['regret_low']:.1f} to {100 * row['regret_high']:.1f})"
    return f"{100 * row['regret']:.1f} points{interval} on {place}"


def _verdicts(claims: pd.DataFrame) -> str:
    """The table of claims as a csv-table directive."""
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n")
    for row in claims[claims["scope"] == OVERALL].to_dict("records"):
        found = "" if pd.isna(row["value"]) else f"{row['value']:.3g}"
        if not pd.isna(row["low"]):
            found += f" ({row['low']:.3g} to {row['high']:.3g})"
        why = row["reason"] or row["statistic"]
        cells = row["claim"], row["statement"], row["verdict"], found, row["n"], why
        writer.writerow(map(_plain, cells))
    title = "Claims of the paper; each verdict is that of its weakest finding (claims.csv has all)"
    names = '"", "claim", "verdict", "statistic (95 % interval)", "n", "of what, or why"'
    options = f"   :header: {names}\n   :widths: 5 32 14 18 5 26"
    return f".. csv-table:: {title}\n{options}\n\n{indent(body.getvalue(), '   ')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _plain(value: object) -> str:
    """Text in which no character is markup."""
    return "".join(f"\\{c}" if c in "\\*`|_" else c for c in str(value))
