"""What a study says of itself: which datasets it needs, and its record beside its results."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, create_model

from rankme.study import config, datasets
from rankme.study.choices import encoders, methods, reader_options
from rankme.study.config import load_study, read_study
from rankme.study.runs import runs
from rankme.study.settings import Rank, Settings
from rankme.study.study import Study
from rankme.tracking import documents
from tests.rankme.study.configs import DECISIVE, STUDIES, a_study, with_a_new_key


def test_a_study_says_which_datasets_it_evaluates_and_which_have_labels() -> None:
    unlabelled = {"reader": "unlabelled_folder", "size": 32}
    study = a_study(datasets={"a": {"reader": "shapes", "size": 32}, "b": unlabelled})
    assert study.evaluation_datasets == ["a", "b"]
    assert study.labelled_datasets == ["a"]


def test_the_record_of_a_study_has_all_that_decides_a_result_and_is_not_at_its_default() -> None:
    shapes = {"reader": "shapes", "size": 32}
    assert a_study(compute={"threads": 8}, pathvars={"results": "x"}).record() == {
        "artefact": "STUDY",
        "study": "study",
        "datasets": {"a": shapes, "b": shapes},
        "source": "a",
        "targets": ["b"],
        "encoder": {"name": "resnet10"},
        "projector": {"widths": [8]},
        "augmentation": {"recipe": "simclr"},
        "training": {"lr": 0.5, "optimizer": "adamw"},
        "methods": [
            {"name": "SimCLR", "default": {"temperature": 0.2}, "sweeps": {"temperature": [0.1]}}
        ],
    }


def from_store(study: Study, folder: Path) -> Study:
    found = documents.unpack(documents.pack({"config": study.record()}))
    return load_study(found["config"])


def from_file(study: Study, folder: Path) -> Study:
    (folder / "STUDY").write_text(json.dumps(study.record(), indent=1, sort_keys=True))
    return read_study(folder / "STUDY")


@pytest.mark.parametrize("read", [from_file, from_store])
@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_a_record_is_read_as_the_study_that_it_is_of(
    file: Path, read: Callable[[Study, Path], Study], tmp_path: Path
) -> None:
    study = read_study(file)
    again = read(study, tmp_path)
    assert again.digest == study.digest
    assert again.record() == study.record()
    assert {run.name for run in runs(again)} == {run.name for run in runs(study)}


def with_new_keys(study: Study) -> Iterator[Study]:
    """The study with a key added to each section in turn."""
    yield with_a_new_key(study)
    for name in DECISIVE:
        yield study.model_copy(update={name: with_a_new_key(getattr(study, name))})
    yield study.model_copy(update={"methods": tuple(map(with_a_new_key, study.methods))})
    a = study.datasets["a"]
    for one in (with_a_new_key(a), a.model_copy(update={"options": with_a_new_key(a.options)})):
        yield study.model_copy(update={"datasets": {**study.datasets, "a": one}})


def test_a_key_added_to_a_section_changes_neither_record_nor_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = a_study()
    expected = study.record(), study.digest
    for later in with_new_keys(study):
        assert (later.record(), later.digest) == expected
    simclr = methods()["SimCLR"]
    hyperparameters = type(with_a_new_key(simclr.hyperparameters()))
    monkeypatch.setitem(methods(), "SimCLR", replace(simclr, hyperparameters=hyperparameters))
    assert (a_study().record(), a_study().digest) == expected


def later(kind: type[Settings], **defaults: Any) -> type[Settings]:
    """A class as a later release may have it, with other defaults."""
    fields: Any = {}
    for name, default in defaults.items():
        introduced = {"introduced": kind.model_fields[name].default}
        field = Field(default, json_schema_extra=introduced)
        fields[name] = (kind.model_fields[name].rebuild_annotation(), field)
    return create_model("Later", __base__=kind, **fields)


def test_where_defaults_have_changed_a_record_means_what_it_meant_and_a_config_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def values(study: Study) -> list[Any]:
        options, own = study.datasets["a"].options, study.methods[0].hyperparameters
        return [
            study.rank.samples,
            study.encoder.width,
            vars(options)["noise"],
            *vars(own).values(),
        ]

    method = {"name": "SimCLR", "sweeps": {"lr": [0.1]}}
    before = a_study(methods=[method])
    record = json.loads(json.dumps(before.record()))
    simclr, rank = methods()["SimCLR"], later(Rank, samples=9000)
    hyperparameters = later(simclr.hyperparameters, temperature=0.5)
    options = later(reader_options("shapes"), noise=0.2)
    whole = create_model("Whole", __base__=Study, rank=(rank, rank()))
    monkeypatch.setattr(config, "Study", whole)
    monkeypatch.setattr(datasets, "reader_options", lambda _: options)
    monkeypatch.setitem(encoders(), "resnet10", later(encoders()["resnet10"], width=32))
    monkeypatch.setitem(methods(), "SimCLR", replace(simclr, hyperparameters=hyperparameters))

    after, by_hand = load_study(record), a_study(methods=[method])
    assert values(after) == values(before) == [25600, 64, 0.05, 0.15]
    assert (after.record(), after.digest) == (record, before.digest)
    assert [run.name for run in runs(after)] == [run.name for run in runs(before)]
    assert values(by_hand) == [9000, 32, 0.2, 0.5]
    assert by_hand.digest != before.digest
    assert not {run.name for run in runs(by_hand)} & {run.name for run in runs(before)}


def swept(values: list[float]) -> dict[str, Any]:
    return {"methods": [{"name": "SimCLR", "sweeps": {"lr": values}}]}


MOVED = {name: {"reader": "shapes", "size": 32, "root": "/x", "licence": "?"} for name in "ab"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"study": "b"}),
        ({}, {"pathvars": {"results": "x"}, "compute": {"threads": 8}, "tracking": {}}),
        ({}, {"datasets": MOVED}),
        ({}, {"training": {"optimizer": "adamw", "epochs": 100, "lr": 0.5}}),
        (swept([0.1, 0.3]), swept([0.3, 0.1])),
    ],
    ids=["name", "places", "data moved", "default written out", "order of a sweep"],
)
def test_a_digest_is_that_of_what_decides_the_results(one: Any, other: Any) -> None:
    assert a_study(**one).digest == a_study(**other).digest


@pytest.mark.parametrize(
    "change",
    [
        {"rank": {"samples": 64}},
        {"probe": {"epochs": 3}},
        {"seeds": [1]},
        {"targets": []},
        {"methods": [{"name": "SimCLR", "default": {"temperature": 0.3}}]},
        {"datasets": {n: {"reader": "shapes", "size": 16} for n in "ab"}},
    ],
)
def test_whatever_decides_a_result_changes_the_digest(change: dict[str, Any]) -> None:
    assert a_study(**change).digest != a_study().digest
