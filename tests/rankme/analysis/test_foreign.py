"""Runs trained elsewhere: the same answer from one row a run."""

import hashlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import spearmanr

import analyse as program
from rankme.analysis.foreign import Columns, read_runs
from rankme.analysis.statistics import correlate
from rankme.errors import UserError

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "runs.csv"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(text)
    return path


@pytest.fixture
def analyse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """Run the program on a table and give its folder of outputs."""

    def run(runs: Path) -> Path:
        words = ["analyse.py", "--runs", str(runs), "--output", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", words)
        program.main()
        return tmp_path / "out"

    return run


def test_the_example_gives_tables_figure_and_a_sentence(
    analyse: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = analyse(EXAMPLE)
    study, first, *_ = capsys.readouterr().out.split("\n\n")
    digest = hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()[:12]
    assert study == f"Study runs (digest {digest}), 17 runs."
    assert "use " in first
    assert "its RankMe" in first
    made = {path.name for path in folder.iterdir()}
    assert {"claims.csv", "correlations.csv", "selected.csv", "rank_vs_acc.pdf"} <= made
    table = pd.read_csv(folder / "correlations.csv")
    assert set(table["study_digest"]) == {digest}
    row = table.query("sweep == 'all' and role == 'source' and metric == 'rankme'").iloc[0]
    runs = pd.read_csv(EXAMPLE)
    of_method = runs[runs["method"] == row["method"]]
    expected = spearmanr(of_method["rankme"], of_method["top1_imagenet"]).statistic
    assert row["spearman"] == pytest.approx(expected)


def test_columns_are_named_by_options(tmp_path: Path) -> None:
    path = written(tmp_path, "algo,er,idest,A,B\nx,3,1,50,60\nx,4,2,55,70\nx,5,3,70,80\n")
    results = read_runs(path, Columns("algo", "", ["er", "idest"], ["A", "B"], "B"))
    assert list(results["dataset"])[:2] == ["B", "A"]
    assert list(results["role"])[:2] == ["source", "target"]
    assert list(results["top1"])[:2] == [0.6, 0.5]
    assert list(results["rankme"].unique()) == [3, 4, 5]
    assert list(results["idest"].unique()) == [1, 2, 3]
    assert set(results["method"]) == {"x"}


def test_what_is_nothing_else_is_a_hyperparameter(tmp_path: Path) -> None:
    path = written(tmp_path, "rankme,top1,seed,lr\n3,.5,0,.1\n4,.6,1,.1\n")
    results = read_runs(path, Columns())
    assert list(results["lr"]) == [0.1, 0.1]
    assert list(results["seed"]) == [0, 1]


@pytest.mark.parametrize(("values", "share"), [("50,60,70", 0.5), ("0.5,0.6,0.7", 0.5)])
def test_percent_and_fractions_are_told_apart(tmp_path: Path, values: str, share: float) -> None:
    rows = "\n".join(f"{rank},{value}" for rank, value in enumerate(values.split(","), 3))
    assert read_runs(written(tmp_path, f"rank,acc\n{rows}\n"), Columns())["top1"][0] == share


def test_missing_values_and_repeated_rows_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "rankme,top1,top1_b\n3,.5,.4\n3,.5,.4\n4,,\ninf,.5,.5\n5,.7,\n6,NA,.9\n"
    with caplog.at_level(logging.WARNING):
        results = read_runs(written(tmp_path, text), Columns())
    assert results["run"].nunique() == 3
    assert "left out 2 of 6 rows without rankme or without any accuracy" in caplog.text
    assert "left out 1 of 6 rows that repeat another one" in caplog.text
    assert set(correlate(results)["reason"].dropna()) == {"fewer than 3 runs"}


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path, "run,rankme,top1\na,3,.5\na,4,.6\nb,5,.7\n")
    assert list(read_runs(path, Columns())["run"]) == ["a (row 1)", "a (row 2)", "b"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\n1,2\n", Columns(), "has none of the columns rankme"),
        ("rankme,b\n1,2\n", Columns(), "say by --accuracy-columns which of rankme, b to take"),
        ("rankme,top1\n1,2\n", Columns(ranks=["er"]), "has no column er; its columns are rankme"),
        ("rankme,top1\n1,good\n", Columns(), "top1 is 'good' in row 2, expected a number"),
        ("rankme,top1\n,\n", Columns(), "no row has a number in rankme"),
        ("rankme,top1\n", Columns(), "no row has a number"),
        (
            "rankme,x,top1\n1,2,3\n",
            Columns(ranks=["rankme", "x"]),
            "x is no metric whose direction",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, text: str, options: Columns, message: str
) -> None:
    with pytest.raises(UserError) as error:
        read_runs(written(tmp_path, text), options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "rows",
    ["3,.5", "3,.5\n4,.6", "3,.5\n4,.6\n5,.4", "3,.5\n3,.6\n3,.4\n3,.3", "3,.5\n4,.5\n5,.5\n6,.5"],
)
def test_few_or_constant_runs_are_stated(
    tmp_path: Path, analyse: Callable[[Path], Path], rows: str
) -> None:
    folder = analyse(written(tmp_path, f"rankme,top1\n{rows}\n"))
    claims = pd.read_csv(folder / "claims.csv")
    assert set(claims["verdict"]) == {"undecided"}
    assert claims["reason"].notna().all()
