from pathlib import Path

import pytest

from rankme.errors import UserError
from rankme.study.choices import reader_options, readers
from rankme.study.datasets import Catalogue, declare, expand_root


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
        (
            {"reader": "shapes", "size": 32, "options": {"radius": [0.4, 0.3]}},
            r"x.options.radius: \[0.4, 0.3\] must rise; swap the two",
        ),
        ("shapes", "x: 'shapes' is not of type object"),
        ({"reader": "shapes", "size": 32, "metric": "mAP"}, "x.metric: 'mAP' is not known, .*map"),
        (
            {"reader": "shapes", "size": 32, "expected": {"tset": 5}},
            "x.expected.tset: unknown key, did you mean 'test'",
        ),
        (
            {"reader": "shapes", "size": 32, "archive": {"url": "ftp://a/b.zip", "unpacked_mb": 1}},
            "x.archive.url: 'ftp://a/b.zip' does not fit",
        ),
        (
            {"reader": "shapes", "size": 32, "archive": {"url": "http://a/b", "unpacked_mb": 1}},
            "x.archive: .*needs its sha256 or its md5",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_with_key_value_and_what_is_allowed(
    declaration: object, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        declare("x", declaration)


def test_a_name_that_cannot_be_a_folder_is_refused() -> None:
    with pytest.raises(UserError, match=r"a/b"):
        declare("a/b", {"reader": "digits", "size": 8})


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


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", ""])
def test_a_file_that_is_no_yaml_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "datasets.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"datasets\.yaml"):
        Catalogue(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read"):
        Catalogue(tmp_path / "none.yaml")
