"""Tables that cannot be used are refused by name."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.analysis.tables import read_table, write_table
from rankme.errors import UserError


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_float_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    write_table(path, pd.DataFrame({"top1": values}))
    assert list(read_table(path, ["top1"])["top1"].astype(float)) == values


def test_words_for_nothing_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    write_table(path, pd.DataFrame({"dataset": ["null", "1"], "stem": ["None", "small"]}))
    table = read_table(path, ["dataset", "stem"])
    assert table.to_dict("list") == {"dataset": ["null", "1"], "stem": ["None", "small"]}


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.csv: cannot be read"):
        read_table(tmp_path / "none.csv", [])


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n1,2,3,4\n"])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "torn.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"torn\.csv: is not a CSV table"):
        read_table(path, [])


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text("method,top1\nSimCLR,0.5\n")
    with pytest.raises(UserError, match=r"old\.csv: lacks the columns rankme, chance"):
        read_table(path, ["method", "rankme", "chance"])
