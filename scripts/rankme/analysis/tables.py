"""CSV tables: written so that every number reads back as it was, read with clear errors."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from rankme.errors import UserError
from rankme.files import write_text

TEXT_COLUMNS = (
    "method",
    "run",
    "sweep",
    "status",
    "dataset",
    "role",
    "runs",
    "metric",
    "tap",
    "rule",
    "selected_run",
    "best_run",
    "p_method",
    "pearson_interval",
    "spearman_interval",
    "kendall_interval",
    "quantity",
    "claim",
    "verdict",
    "reason",
)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write `table` as CSV: decimals read back exactly, a missing value is an empty cell."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_table(path: Path, columns: Collection[str]) -> pd.DataFrame:
    """Read a table of `write_table`.

    Raises:
        UserError: the file is missing, is no table, or lacks one of `columns`.
    """
    try:
        table = pd.read_csv(
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
    if missing := [column for column in columns if column not in table]:
        raise UserError(
            f"{path}: lacks the columns {', '.join(missing)}; "
            "delete it and run snakemake again to remake it"
        )
    return table
