"""CSV tables: each says whose it is, and every number reads back as it was."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rankme.errors import UserError
from rankme.files import write_text
from rankme.study.study import Study

STUDY_COLUMNS = ("study", "study_digest")
"""First columns of every table, the same in all its rows."""

_RUNS = ("run", "next_run", "selected_run", "best_run")
_GROUPS = ("method", "sweep", "runs", "dataset", "role", "metric", "layer", "rule", "quantity")
_WORDS = ("status", "claim", "verdict", "reason", "p_method")
_INTERVALS = ("pearson_interval", "spearman_interval", "kendall_interval")
TEXT_COLUMNS = (*STUDY_COLUMNS, *_RUNS, *_GROUPS, *_WORDS, *_INTERVALS)


class Label(NamedTuple):
    """Whose a table is: name of the study, and short digest of all that decides its results."""

    study: str
    digest: str


def study_label(study: Study) -> Label:
    """What the tables of a study are marked with."""
    return Label(study.study, short(study.digest))


def short(digest: str) -> str:
    """A digest as it is shown."""
    return digest[:12]


def write_table(path: Path, table: pd.DataFrame, study: str, digest: str) -> None:
    """Write `table` as CSV, its study first.

    Decimals read back exactly, a missing value is an empty cell.
    """
    marks = pd.DataFrame(dict(zip(STUDY_COLUMNS, (study, digest), strict=True)), table.index)
    whole = marks.join(table.drop(columns=list(STUDY_COLUMNS), errors="ignore"))
    write_text(path, whole.to_csv(index=False, lineterminator="\n"))


def read_table(path: Path, columns: Collection[str] = ()) -> pd.DataFrame:
    """Read a table of `write_table`.

    Raises:
        UserError: the file is missing, is no table, or lacks its study or one of `columns`.
    """
    table = read_csv(path)
    if missing := [name for name in (*STUDY_COLUMNS, *columns) if name not in table]:
        raise UserError(
            f"{path}: lacks the columns {', '.join(missing)}; "
            "delete it and run snakemake again to remake it"
        )
    return table


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV table of whatever columns.

    Raises:
        UserError: the file is missing or no table.
    """
    try:
        return pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values=[""],
        )
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(
            f"{path}: is not a CSV table ({error}); delete it and run snakemake again to remake it"
        ) from error


def label_of(path: Path, table: pd.DataFrame) -> Label:
    """Whose a table is that was read from a file.

    Raises:
        UserError: it has no row, or rows of several studies.
    """
    found = _labels(table)
    if len(found) != 1:
        names = ", ".join(f"{study} ({digest})" for study, digest in found) or "none"
        raise UserError(f"{path}: has rows of the studies {names}; give the table of one study")
    return found[0]


def require_label(path: Path, table: pd.DataFrame, label: Label) -> None:
    """Refuse a table of another study; one without rows is of none.

    Raises:
        UserError: it is of another study.
    """
    for other in _labels(table):
        if other != label:
            raise UserError(
                f"{path}: is of the study {other.study} ({other.digest}), "
                f"not of {label.study} ({label.digest}); run snakemake again to remake it"
            )


def _labels(table: pd.DataFrame) -> list[Label]:
    pairs = table[list(STUDY_COLUMNS)].drop_duplicates().astype(str)
    return [Label(*pair) for pair in pairs.itertuples(index=False)]
