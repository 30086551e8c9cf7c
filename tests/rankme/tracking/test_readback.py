"""The table of results is read back from the database alone."""

import shutil

import pytest

import collect_results
from rankme.analysis.tables import Label, study_label
from rankme.errors import UserError
from rankme.tracking.publishing import Publication
from tests.rankme.tracking.studies import (
    STUDY,
    publish,
    runs_of,
    study_of,
    table_from_files,
    table_from_store,
    write_run,
    write_study,
)


def test_reading_back_from_a_file_that_is_not_there_makes_none(tmp_path) -> None:
    with pytest.raises(UserError, match=r"typo\.db: no such file"):
        table_from_store(f"sqlite:///{tmp_path}/typo/typo.db", tmp_path / "store.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_table_of_the_database_alone_is_that_of_the_files(results, uri, tmp_path) -> None:
    publish(results, uri)
    write_run(results, runs_of(5)[4], 1.0)
    alone = tmp_path / "alone.db"
    shutil.copy(results / "tracking/mlflow.db", alone)
    expected = table_from_files(results, tmp_path / "files.csv")
    shutil.rmtree(results)
    assert table_from_store(f"sqlite:///{alone}", tmp_path / "store.csv") == expected


def test_a_run_taken_out_of_the_study_leaves_the_table(results, uri, tmp_path) -> None:
    publish(results, uri)
    publish(results, uri, count=2)
    expected = table_from_files(results, tmp_path / "files.csv", count=2)
    assert table_from_store(uri, tmp_path / "store.csv") == expected


def test_runs_of_several_machines_are_pooled_and_stand_there_once(results, tmp_path, uri) -> None:
    publish(results, uri)
    runs, other = runs_of(5)[2:], tmp_path / "other"
    write_study(other, runs)
    Publication(study_of(), runs, other, False).publish(uri)
    table, label = collect_results.stored_results(uri, [])
    assert label == study_label(study_of())
    assert sorted(set(table["run"])) == sorted(run.name for run in runs_of(5))
    assert len(table) == 5 * 3


def test_several_studies_in_one_store_have_to_be_named(results, uri, tmp_path) -> None:
    publish(results, uri)
    publish(results, uri, study="second")
    with pytest.raises(UserError, match=r"holds 2 studies; name those to read by --experiment"):
        collect_results.stored_results(uri, [])
    with pytest.raises(UserError, match="has no study 'secnd', did you mean 'second'"):
        collect_results.stored_results(uri, ["secnd"])
    assert len(collect_results.stored_results(uri, ["second"])[0]) == 9
    pooled, label = collect_results.stored_results(uri, ["second", STUDY])
    assert len(pooled) == 9
    assert label == Label(f"{STUDY} and second", study_label(study_of()).digest)
