"""Datasets that are declared: the built-in ones, and one's own over them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rankme.errors import UserError
from rankme.study.choices import reader_options, readers
from rankme.study.config import load_study
from rankme.study.datasets import (
    BUILT_IN,
    Catalogue,
    Declaration,
    declare,
    expand_root,
    from_json,
    other_pixels,
)
from rankme.study.identity import canonical
from tests.rankme.study.configs import assert_one_mistake, assert_said, cases, changed, mistakes


@pytest.mark.parametrize("name", Catalogue())
def test_every_built_in_dataset_is_valid(name: str) -> None:
    declaration = Catalogue()[name]
    assert declaration.metric == ("map" if name == "voc2007" else "top1")
    assert declaration.licence
    generated = declaration.reader in ("shapes", "textures", "digits")
    assert generated or None not in dict(declaration.expected).values()


@pytest.mark.parametrize("reader", readers())
def test_a_readers_options_have_valid_defaults_and_a_description(reader: str) -> None:
    settings = reader_options(reader)
    defaults = settings().model_dump(mode="json")
    assert settings.model_validate(defaults) == settings()
    for name, schema in settings.model_json_schema().get("properties", {}).items():
        assert len(schema["description"]) > 10, name


CASES = """
{reader: shapes}
    x.size: missing; give it a value
{reader: [shapes], size: 32}
    x.reader: ['shapes'] is not of type string
{reader: shapes, size: 32, rooot: a}
    x.rooot: unknown key, did you mean 'root'? Allowed: reader, size
{reader: shape, size: 32}
    x.reader: 'shape' is not known, did you mean 'shapes'? Allowed: caltech101
{reader: shapes, size: 32, options: {train_conut: 5}}
    x.options.train_conut: unknown key, did you mean 'train_count'? Allowed: train_count
{reader: shapes, size: 32, options: {noise: -1}}
    x.options.noise: -1 is out of bounds, must be >= 0 (...pixel
{reader: shapes, size: 32, options: {radius: [0.4, 0.3]}}
    x.options.radius: [0.4, 0.3] must rise; swap the two
shapes
    x: 'shapes' is not of type object
null
    x: None is not of type object; leave the key out
{reader: shapes, size: 32, metric: mAP}
    x.metric: 'mAP' is not known, did you mean 'map'?
{reader: shapes, size: 32, expected: {tset: 5}}
    x.expected.tset: unknown key, did you mean 'test'?
{reader: shapes, size: 32, archive: {url: 'ftp://a/b.zip', unpacked_mb: 1}}
    x.archive.url: 'ftp://a/b.zip' does not fit the pattern...x.archive.md5: None is no digest
{reader: shapes, size: 32, archive: {url: 'http://a', unpacked_mb: 1, md5: '%s', sha256: '%s'}}
    x.archive.md5: '0000...stands beside a sha256; give one of the two
"""


@pytest.mark.parametrize(("given", "said"), cases(CASES % ("0" * 32, "0" * 64)))
def test_a_wrong_declaration_is_refused_with_key_value_and_what_is_allowed(
    given: str, said: str
) -> None:
    with pytest.raises(UserError) as told:
        declare("x", yaml.safe_load(given))
    assert_said(str(told.value), said)


@pytest.mark.parametrize("name", ["a/b", "My Photos", "-a", "", 2024])
def test_a_name_that_cannot_be_a_folder_says_what_a_name_is(name: Any) -> None:
    said = f"datasets.{name}: is no name of a dataset; use lower-case letters"
    assert_one_mistake({"datasets": {name: {"reader": "digits", "size": 8}}}, said)


def test_defaults_fill_in_what_is_not_given_and_nothing_else() -> None:
    given = {"reader": "digits", "size": 16, "options": {"seed": 3}}
    assert declare("x", given).options.model_dump() == {"test_fraction": 0.3, "seed": 3}
    assert given["options"] == {"seed": 3}


def test_a_root_expands_home_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("SETS", "/data")
    for root, folder in (("~/x", "/home/ada/x"), ("$SETS/x", "/data/x"), ("x", "x")):
        declaration = declare("x", {"reader": "image_folder", "size": 8, "root": root})
        assert expand_root(declaration) == Path(folder)
    assert expand_root(declare("x", {"reader": "digits", "size": 8})) is None


def test_an_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SETS", raising=False)
    declaration = declare("x", {"reader": "image_folder", "size": 8, "root": "$SETS/x"})
    with pytest.raises(UserError, match=r"\$SETS/x: the variable is not set"):
        expand_root(declaration)


OWN = {
    "my-photos": {"reader": "image_folder", "root": "photos", "size": 64},
    "digits": {"reader": "digits", "size": 16},
}


@pytest.mark.parametrize("in_a_file", [False, True])
def test_datasets_of_ones_own_go_over_the_built_in_ones(tmp_path: Path, in_a_file: bool) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(OWN))
    own = {"datasets": str(file) if in_a_file else OWN}
    study = load_study(changed({"targets": ["digits", "my-photos", "textures"], **own}))
    sizes = {name: declaration.size for name, declaration in study.datasets.items()}
    assert sizes == {"shapes": 32, "digits": 16, "my-photos": 64, "textures": 32}


@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_mistake_in_ones_own_datasets_names_place_and_key(
    tmp_path: Path, in_a_file: bool
) -> None:
    file, place = tmp_path / "mine.yaml", "datasets."
    own: Any = {
        "one": {"reader": "image_foldr", "size": 32},
        "two": {"reader": "shapes", "size": 4, "options": {"train_cout": 9}},
    }
    if in_a_file:
        file.write_text(yaml.safe_dump(own))
        own, place = str(file), f"{file}: "
    first, second, third = mistakes({"datasets": own})
    assert first.startswith(f"{place}one.reader: 'image_foldr' is not known, did you mean 'image_f")
    assert second.startswith(f"{place}two.options.train_cout: unknown key, did you mean 'train_c")
    assert third.startswith(f"{place}two.size: 4 is out of bounds")


@pytest.mark.parametrize(
    ("own", "places"),
    [
        (None, "config/datasets.yaml"),
        (OWN, "`datasets` or config/datasets.yaml"),
        ("mine.yaml", "mine.yaml or config/datasets.yaml"),
    ],
)
def test_an_unknown_dataset_says_where_it_was_looked_for(
    own: Any, places: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(OWN))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rankme.study.datasets._shown", lambda file: "/".join(file.parts[-2:]))
    said = f"source: 'shape' is not declared in {places}, did you mean 'shapes'"
    assert_one_mistake({"datasets": own, "source": "shape"}, said)


def test_a_built_in_dataset_is_checked_only_where_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "built-in.yaml"
    file.write_text(BUILT_IN.read_text() + "\nwrong: {reader: shapes, size: 1}\n")
    monkeypatch.setattr("rankme.study.datasets.BUILT_IN", file)
    assert load_study(changed("{}")).source == "shapes"
    assert_one_mistake("source: wrong", f"{file}: wrong.size: 1 is out of bounds, must be >= 8")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", ""])
def test_a_file_that_is_no_yaml_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "datasets.yaml").write_text(text)
    with pytest.raises(UserError, match=r"datasets\.yaml"):
        Catalogue(tmp_path / "datasets.yaml")


@pytest.mark.parametrize("name", ["shapes", "digits", "cifar10", "eurosat", "tiny-imagenet"])
def test_a_declaration_is_the_same_after_its_json(name: str) -> None:
    declaration = Catalogue()[name]
    assert from_json(Declaration, json.loads(canonical(declaration)), name) == declaration


def test_a_stored_declaration_is_compared_in_what_decides_pixels() -> None:
    given = {"reader": "shapes", "size": 32, "options": {"noise": 0.1}}
    wanted = declare("x", given | {"licence": "?"})
    for stored in (given, wanted.model_dump(mode="json"), json.loads(canonical(wanted))):
        assert other_pixels(stored | {"description": "older"}, wanted) == []
    assert other_pixels(given | {"size": 16, "options": {}}, wanted) == ["size", "options"]
    for nothing in (3, None, {}, {"reader": "x", "size": 32}):
        with pytest.raises(UserError, match="declaration"):
            other_pixels(nothing, wanted)
