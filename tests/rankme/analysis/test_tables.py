"""Tables that cannot be used are refused by name."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.analysis.tables import Label, label_of, read_table, require_label, write_table
from rankme.errors import UserError

LABEL = Label("made-up", "0123456789ab")


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_float_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    write_table(path, pd.DataFrame({"top1": values}), *LABEL)
    assert list(read_table(path, ["top1"])["top1"].astype(float)) == values


def test_words_for_nothing_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    write_table(path, pd.DataFrame({"dataset": ["null", "1"], "stem": ["None", "small"]}), *LABEL)
    table = read_table(path, ["dataset", "stem"])[["dataset", "stem"]]
    assert table.to_dict("list") == {"dataset": ["null", "1"], "stem": ["None", "small"]}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read"),
        ("", "is not a CSV table"),
        ("a,b\n1,2\n1,2,3,4\n", "is not a CSV table"),
        ("method,top1\nSimCLR,0.5\n", "lacks the columns study, study_digest, rankme"),
    ],
)
def test_a_file_that_is_no_table_of_these_columns_is_named(
    tmp_path: Path, content: str | None, fault: str
) -> None:
    path = tmp_path / "old.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=rf"old\.csv: {fault}"):
        read_table(path, ["method", "rankme"])


@pytest.mark.parametrize(
    "label", [LABEL, Label("null", "123456789012"), Label("a", "12345e678901")]
)
def test_a_table_says_first_whose_it_is(tmp_path: Path, label: Label) -> None:
    path = tmp_path / "own.csv"
    write_table(path, pd.DataFrame({"top1": [0.5, 0.6]}), *label)
    assert path.read_text().splitlines()[0] == "study,study_digest,top1"
    assert label_of(path, read_table(path)) == label


def test_a_table_of_another_or_of_several_studies_is_told_by_name(tmp_path: Path) -> None:
    path, other = tmp_path / "own.csv", Label("other", LABEL.digest)
    write_table(path, pd.DataFrame({"top1": [0.5]}), *other)
    table = read_table(path)
    with pytest.raises(UserError, match=r"own\.csv: is of the study other \(.*\), not of made-up"):
        require_label(path, table, LABEL)
    both = pd.concat([table, table.assign(study="made-up")])
    with pytest.raises(UserError, match=r"rows of the studies other \(.*\), made-up \(.*\); give"):
        label_of(path, both)
    require_label(path, table.iloc[:0], LABEL)
