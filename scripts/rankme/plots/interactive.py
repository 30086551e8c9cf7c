"""Accuracy against RankMe as a page on which pointing at a run shows what it is and its files.

One file with its data, style and script in it: it needs no network, opens from a disk, and sits in
the report.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from rankme.analysis.collect import COLUMNS
from rankme.analysis.groups import degenerate
from rankme.artefacts import RunFiles
from rankme.files import write_text
from rankme.plots import style
from rankme.plots.tables import Tables

_DATA = "/* data */"
_MEASURES = ("top1", "top1_low", "top1_high")


def write(tables: Tables, path: Path) -> None:
    """Write the page; a menu chooses the dataset."""
    template = files("rankme.plots").joinpath("interactive.html").read_text()
    # "<" could end the script that holds the data.
    data = json.dumps(_content(tables), allow_nan=False).replace("<", "\\u003c")
    write_text(path, template.replace(_DATA, data))


def _content(tables: Tables) -> dict[str, Any]:
    """What the page's script reads: runs, and for each labelled dataset their accuracies."""
    results = tables.results.assign(degenerate=degenerate(tables.results))
    runs = results.drop_duplicates(["method", "run"]).dropna(subset=["rankme"])
    labelled = results[results["top1"].notna()]
    accuracy = labelled.set_index(["method", "run"])
    methods = list(dict.fromkeys(runs["method"]))
    order = list(zip(runs["method"], runs["run"], strict=True))
    return {
        "study": style.signature(*tables.label),
        "colours": {m: style.COLOURS[i % len(style.COLOURS)] for i, m in enumerate(methods)},
        "runs": [_run(run) for run in runs.to_dict("records")],
        "datasets": {
            name: _accuracies(accuracy[accuracy["dataset"] == name], order)
            for name in labelled["dataset"].unique()
        },
    }


def _run(run: dict[Any, Any]) -> dict[str, Any]:
    known, ranks = (*COLUMNS, "degenerate"), run.get("rankme_file")
    settings = {k: v for k, v in run.items() if k not in known and not pd.isna(v)}
    files = [ranks, RunFiles(Path(ranks).parent).model.as_posix()] if isinstance(ranks, str) else []
    return {
        "method": run["method"],
        "run": run["run"],
        "status": run["status"],
        "hollow": bool(run["degenerate"]),
        "control": bool(run["control"]),
        "rankme": round(float(run["rankme"]), 3),
        "settings": {"seed": run["seed"], **settings},
        "files": files,
    }


def _accuracies(rows: pd.DataFrame, order: list[Any]) -> dict[str, list[Any]]:
    """Accuracies in percent, their intervals and files, in the order of the runs."""
    rows = rows.reindex(index=order, columns=[*_MEASURES, "accuracy_file"])
    columns = {name: (100 * rows[name].astype(float)).round(3) for name in _MEASURES}
    measured = {name: [None if pd.isna(v) else v for v in c] for name, c in columns.items()}
    return measured | {"file": [v if isinstance(v, str) else None for v in rows["accuracy_file"]]}
