"""The table holds what the results tree holds, and says which file is at fault."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import analyse
import collect_results
from rankme.analysis import collect as collect_module
from rankme.analysis.collect import COLUMNS, Collected, collect, results_table
from rankme.analysis.curves import halving
from rankme.analysis.tables import read_table, study_label, write_table
from rankme.artefacts import RunFiles, Tree
from rankme.errors import UserError
from rankme.metrics import METRICS
from rankme.study.runs import Run, runs
from tests.rankme.analysis.synthetic import make_run, make_study, put, write_run, write_tree

RANKME = {"shapes": 12.345678901234567, "digits": 8.5, "eurosat": 9.25}
TOP1 = {"shapes": 1 / 3, "digits": 0.5, "eurosat": 0.25}


@dataclass
class Made:
    """A results tree of one run."""

    results: Path
    run: Run
    files: RunFiles

    def table(self, *others: Run) -> pd.DataFrame:
        """The table of this run, and of others if any."""
        return results_table(make_study(), [self.run, *others], self.results)

    def collected(self) -> Collected:
        return collect(make_study(), [self.run], self.results)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    run = make_run(temperature=0.15)
    return Made(tmp_path, run, write_run(tmp_path, run, RANKME, TOP1))


def test_each_run_has_one_row_a_dataset_the_source_first(made: Made) -> None:
    earlier = make_run(name="0-2", sweep="temperature", temperature=0.5)
    write_run(made.results, earlier, RANKME, TOP1)
    table = made.table(earlier)
    assert list(table["run"]) == ["a-1"] * 3 + ["0-2"] * 3
    assert list(table["dataset"]) == ["shapes", "digits", "eurosat"] * 2
    assert list(table["role"]) == ["source", "target", "target"] * 2


def test_a_row_holds_the_numbers_of_its_files(made: Made) -> None:
    row = made.table().iloc[1]
    expected = {
        "method": "SimCLR",
        "sweep": "default",
        "seed": 7,
        "status": "completed",
        "rankme": RANKME["shapes"],
        "rankme_representation": RANKME["shapes"] / 2,
        "rankme_on_dataset": RANKME["digits"],
        "measure": "top1",
        "top1": 0.5,
        "top1_low": 0.46,
        "top1_high": 0.54,
        "confidence": 0.95,
        "top5": 0.75,
        "n": 500,
        "chance": 0.1,
        "train_top1": 0.51,
        "top1_embedding": 0.4,
        "top1_mlp": 0.51,
        "top1_knn_low": 0.5 - 0.03 - 0.04,
        "top1_knn_high": 0.5 - 0.03 + 0.04,
    }
    assert {column: row[column] for column in expected} == expected


def test_mean_average_precision_stands_where_top1_does_and_is_named(made: Made) -> None:
    readouts = {"knn": {"map": 0.2, "interval": [0.1, 0.3]}}
    own = {"metric": "map", "map": 0.3, "train_map": 0.4, "readouts": readouts}
    put(made.files.dataset("digits").accuracy, own | dict.fromkeys(["top1", "top5", "train_top1"]))
    rows = made.table()
    assert list(rows["measure"]) == ["top1", "map", "top1"]
    assert (rows["top1"][1], rows["train_top1"][1]) == (0.3, 0.4)
    assert rows["top1_knn"][1] == 0.2
    assert rows.loc[1, ["top5", "top1_mlp"]].isna().all()


def test_a_row_names_the_files_behind_its_numbers(made: Made) -> None:
    for row in made.table().itertuples():
        evaluation = json.loads((made.results / row.rankme_file).read_text())
        accuracy = json.loads((made.results / row.accuracy_file).read_text())
        assert evaluation["datasets"]["shapes"]["embedding"]["rankme"] == row.rankme
        assert accuracy["dataset"] == row.dataset


def test_every_hyperparameter_is_a_column(made: Made) -> None:
    row = made.table().iloc[0]
    training = dict(made.run.settings.training)
    assert row["temperature"] == 0.15
    assert {key: row[key] for key in training} == training
    assert row["encoder_width"] == 32
    assert json.loads(row["projector_widths"]) == [256, 128]
    assert json.loads(row["augmentation_crop_scale"]) == [0.2, 1.0]


def test_a_hyperparameter_hides_no_other_column(tmp_path: Path) -> None:
    run = make_run(n=3)
    write_run(tmp_path, run, RANKME, TOP1)
    row = results_table(make_study(), [run], tmp_path).iloc[0]
    assert (row["n"], row["method_n"]) == (500, 3)


def test_a_metric_hides_no_other_column(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "seed", METRICS["rankme"])
    monkeypatch.setattr(collect_module, "COLUMNS", (*COLUMNS, "seed"))
    with pytest.raises(UserError, match="'seed' is a column already; rename the file"):
        made.table()


def test_the_csv_reads_back_exactly_and_holds_no_nan(made: Made) -> None:
    other = make_run("VICReg", "v-1", covariance=4)
    write_run(made.results, other, RANKME, TOP1, status="diverged")
    table = made.table(other)
    paths = [made.results / "results.csv", made.results / "again.csv"]
    for path in paths:
        write_table(path, made.table(other), *study_label(make_study()))
    text = paths[0].read_text()
    assert paths[1].read_text() == text, "collecting twice gives the same bytes"
    assert "nan" not in text.lower()
    assert "None" not in text
    assert text.splitlines()[0].split(",")[: len(COLUMNS)] == list(COLUMNS)
    back = read_table(paths[0], COLUMNS)
    assert dict(back[list(COLUMNS)].dtypes) == dict(table[list(COLUMNS)].dtypes)
    for column in ("rankme", "top1", "lr", "top1_low"):
        assert list(back[column]) == list(table[column])
    assert list(back["status"]) == ["completed"] * 3 + ["diverged"] * 3
    assert text.splitlines()[-1].endswith(",25.0,25.0,4.0")


DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("RANKME_EVAL", None, "cannot be read"),
        ("digits/ACCURACY", None, "cannot be read"),
        ("digits/ACCURACY", "{", "is not valid JSON"),
        ("digits/ACCURACY", "[]", "holds a list"),
        ("digits/ACCURACY", '{"artefact": "RANK", "format": 1}', "expected a ACCURACY"),
        ("RANKME_EVAL", DEEP, "is not valid JSON"),
        ("TRAINING_LOG", "{", "is not JSON lines"),
    ],
    ids=lambda value: value and value[:20],
)
def test_a_missing_or_invalid_file_is_named(
    made: Made, name: str, content: str | None, message: str
) -> None:
    file = made.files.folder / name
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=message) as error:
        made.collected()
    assert str(error.value).startswith(f"{file}: ")


SOURCE = "datasets.shapes.embedding"


@pytest.mark.parametrize(
    ("name", "key", "value", "fault"),
    [
        ("RANKME_EVAL", "datasets", [], "has no datasets.shapes.embedding"),
        ("RANKME_EVAL", "datasets.eurosat", {}, "has no datasets.eurosat.embedding"),
        ("RANKME_EVAL", "status", 3, "{} is 3, expected a text"),
        ("RANKME_EVAL", f"{SOURCE}.rankme", "12", "{} is '12', expected a number"),
        ("RANKME_EVAL", f"{SOURCE}.k", "128", "{} is '128', expected a number"),
        ("RANKME_EVAL", f"{SOURCE}.singular_values", ["a"], "{} is ['a'], expected numbers"),
        ("RANKME_EVAL", f"{SOURCE}.singular_values", None, "{} is None, expected a list"),
        ("RANKME_EVAL", f"{SOURCE}.convergence", [3], "{} is [3], expected a list of objects"),
        ("digits/ACCURACY", "top1", True, "{} is True, expected a number"),
        ("digits/ACCURACY", "interval", 0.5, "{} is 0.5, expected a list"),
        ("digits/ACCURACY", "interval", [0.1], "{} is [0.1], expected two numbers"),
        ("digits/ACCURACY", "readouts", None, "{} is None, expected an object"),
        ("digits/ACCURACY", "metric", 1, "{} is 1, expected a text"),
    ],
)
def test_a_value_that_is_missing_or_of_the_wrong_type_is_named_with_its_file(
    made: Made, name: str, key: str, value: object, fault: str
) -> None:
    put(made.files.folder / name, {key: value})
    with pytest.raises(UserError) as error:
        made.collected()
    told, _, remedy = str(error.value).partition("; ")
    assert told == f"{made.files.folder / name}: {fault.format(key)}"
    assert remedy == "delete it and run snakemake again to remake it"


def test_rank_and_accuracy_of_different_data_are_refused(made: Made) -> None:
    put(made.files.dataset("digits").accuracy, {"dataset_digest": "other"})
    with pytest.raises(UserError, match="another version of dataset 'digits'"):
        made.table()


def test_the_programs_write_all_tables_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = {"reader": "unlabelled_folder", "root": "photos", "size": 32}
    study = make_study(
        ["digits", "photos"],
        datasets={"photos": photos},
        methods=[{"name": "SimCLR"}, {"name": "RandomInit"}],
    )
    for run in runs(study):
        ranks = {"shapes": RANKME["shapes"], "digits": 8.5, "photos": 9.25}
        write_run(tmp_path, run, ranks, {"shapes": 1 / 3, "digits": 0.5})
    file, output = tmp_path / "STUDY", tmp_path / "tables"
    file.write_text(json.dumps(study.record()))
    options = [f"--study={file}", f"--results={tmp_path}", f"--output={output}"]
    monkeypatch.setattr(sys, "argv", ["collect_results.py", *options])
    collect_results.main()
    found = [f"--results={output}/results.csv", f"--convergence={output}/convergence.csv"]
    monkeypatch.setattr(sys, "argv", ["analyse.py", *found, f"--output={output}"])
    analyse.main()
    table = read_table(output / "results.csv", COLUMNS)
    assert list(table["method"]) == ["SimCLR"] * 3 + ["RandomInit"] * 3
    assert list(table["control"]) == [False] * 3 + [True] * 3
    assert list(table["top1"])[:2] == [1 / 3, 0.5]
    assert table["top1"].isna().tolist() == [False, False, True] * 2
    assert table["rankme_on_dataset"][2] == 9.25
    collected, analysed = (
        "results training spectra convergence",
        "claims selected selection variance",
    )
    names = [*collected.split(), *analysed.split(), "correlations"]
    assert {path.name for path in output.iterdir()} == {"answer.rst", *(f"{n}.csv" for n in names)}
    for name in names:
        lines = (output / f"{name}.csv").read_text().splitlines()
        assert lines[0].startswith("study,study_digest,")
        assert all(line.startswith(f"made-up,{study.digest[:12]},") for line in lines[1:])


@pytest.mark.parametrize("options", [[], ["--study=F", "--from-tracking=sqlite:///x"]])
def test_the_program_needs_a_study_or_a_store(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["collect_results.py", "--output=x", *options])
    with pytest.raises(SystemExit):
        collect_results.main()
    assert "give --study or --from-tracking, one of the two" in capsys.readouterr().err


def test_all_metrics_of_both_layers_are_columns(made: Made) -> None:
    added = {f"{SOURCE}.lidar": 4.5, "datasets.shapes.representation.lidar": 5.5}
    put(made.files.ranks, added)
    row = made.table().iloc[0]
    assert (row["lidar"], row["lidar_representation"]) == (4.5, 5.5)
    assert pd.isna(row["alpha_req"])
    assert pd.isna(row["idest"])


def test_curves_are_tables_of_the_source(tmp_path: Path) -> None:
    runs = [make_run(name="a-1"), make_run(name="b-2")]
    write_tree(tmp_path, runs, "shapes", ["digits"])
    _, training, spectra, convergence = collect(make_study(["digits"]), runs, tmp_path)
    files = Tree(tmp_path).run("SimCLR", "b-2")
    rows = [json.loads(line) for line in files.log.read_text().splitlines()]
    of_second = training[training["run"] == "b-2"]
    assert list(of_second["loss"]) == [row["loss"] for row in rows]
    assert list(of_second["epoch"]) == list(range(1, 11))
    embedding = json.loads(files.ranks.read_text())["datasets"]["shapes"]["embedding"]
    sigma = embedding["singular_values"]
    kept = spectra[spectra["run"] == "b-2"]
    assert [sigma[i - 1] / sigma[0] for i in kept["index"]] == list(kept["singular_value"])
    assert (kept["index"].iloc[0], kept["index"].iloc[-1]) == (1, len(sigma))
    assert list(convergence["samples"]) == [256, 512, 800] * 2
    change = halving(convergence)["change"]
    means = [row["mean"] for row in embedding["convergence"]]
    assert change.iloc[1] == pytest.approx(1 - means[0] / means[2])


def test_an_untrained_run_has_no_curve_and_an_unmeasured_one_no_convergence(made: Made) -> None:
    assert made.collected().convergence.empty
    made.files.log.write_text("")
    put(made.files.ranks, {f"{SOURCE}.singular_values": []})
    assert all(table.empty for table in made.collected()[1:])
