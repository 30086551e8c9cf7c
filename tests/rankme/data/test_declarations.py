from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from rankme.cli import ROOT
from rankme.data.declarations import (
    expand_root,
    load_declarations,
    load_reader,
    reader_names,
    reader_options,
    resolve,
)
from rankme.errors import UserError

DECLARATIONS = ROOT / "config" / "datasets.yaml"
SCHEMA = ROOT / "workflow" / "schemas" / "datasets.schema.yaml"


@pytest.mark.parametrize("name", load_declarations(DECLARATIONS))
def test_every_declared_data_set_is_valid(name: str) -> None:
    resolved = load_declarations(DECLARATIONS)[name]
    assert resolved["metric"] == ("map" if name == "voc2007" else "top1")
    assert resolved["licence"]
    generated = resolved["reader"] in ("shapes", "textures", "digits")
    assert generated or set(resolved["expected"]) == {"classes", "train", "test"}
    assert set(resolved["options"]) == set(reader_options(resolved["reader"]))


def test_the_schema_is_a_json_schema_that_describes_every_key() -> None:
    schema = yaml.safe_load(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    keys = schema["additionalProperties"]["properties"]
    assert all(len(key["description"]) > 10 for key in keys.values())


@pytest.mark.parametrize("reader", reader_names())
def test_a_readers_options_are_read_as_python_reads_them_and_hold_their_defaults(
    reader: str,
) -> None:
    options = reader_options(reader)
    assert options == load_reader(reader).OPTIONS
    for option in options.values():
        Draft202012Validator.check_schema(option)
        Draft202012Validator(option).validate(option["default"])
        assert option["description"]


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"reader": "shapes"}, "x.size: missing; give it a value"),
        ({"reader": "shapes", "size": 4}, "x.size: 4 is out of bounds, must be >= 8"),
        ({"reader": "shapes", "size": "32"}, "x.size: '32' is not of type integer"),
        ({"reader": "shapes", "size": 32, "rooot": "a"}, "x.rooot: unknown key, did you .*root"),
        ({"reader": "shape", "size": 32}, "x.reader: 'shape' is not known, did .* 'shapes'"),
        (
            {"reader": "shapes", "size": 32, "options": {"train_conut": 5}},
            "x.options.train_conut: unknown key, did you mean 'train_count'",
        ),
        (
            {"reader": "shapes", "size": 32, "options": {"noise": -1}},
            "x.options.noise: -1 is out of bounds, must be >= 0 .*pixel",
        ),
        ("shapes", "x: 'shapes' is not of type object"),
        ({"reader": "shapes", "size": 32, "metric": "mAP"}, "x.metric: 'mAP' is not known, .*map"),
        (
            {"reader": "shapes", "size": 32, "expected": {"tset": 5}},
            "x.expected.tset: unknown key, did you mean 'test'",
        ),
        (
            {"reader": "shapes", "size": 32, "archive": {"url": "ftp://a/b.zip", "unpacked_mb": 1}},
            r"(?s)x.archive: .*is not valid under any.*x.archive.url: 'ftp://a/b.zip' does not fit",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_with_key_value_and_what_is_allowed(
    declaration: object, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        resolve({"x": declaration})


def test_a_name_that_cannot_be_a_folder_is_refused() -> None:
    with pytest.raises(UserError, match=r"a/b"):
        resolve({"a/b": {"reader": "digits", "size": 8}})


def test_defaults_fill_in_what_is_not_given_and_nothing_else() -> None:
    given = {"reader": "digits", "size": 16, "options": {"seed": 3}}
    resolved = resolve({"x": given})["x"]
    assert resolved["options"] == {"test_fraction": 0.3, "seed": 3}
    assert given["options"] == {"seed": 3}


def test_a_root_expands_home_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("SETS", "/data")
    assert expand_root({"root": "~/x"}) == Path("/home/ada/x")
    assert expand_root({"root": "$SETS/x"}) == Path("/data/x")
    assert expand_root({"root": "x"}) == Path("x")
    assert expand_root({}) is None


def test_an_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SETS", raising=False)
    with pytest.raises(UserError, match=r"\$SETS/x: the variable is not set"):
        expand_root({"root": "$SETS/x"})


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", ""])
def test_a_file_that_is_no_yaml_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "datasets.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"datasets\.yaml"):
        load_declarations(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read"):
        load_declarations(tmp_path / "none.yaml")
