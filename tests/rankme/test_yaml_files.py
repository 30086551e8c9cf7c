"""YAML of settings: what cannot be read is told with the file and the line."""

from pathlib import Path
from typing import Any

import pytest

from rankme.errors import UserError
from rankme.yaml_files import from_text, read_yaml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: 1\nb:\n  c: 2\n  d: 3\n  c: 4\n", "the key 'c' stands there twice; .*, line 5, col"),
        (b"a:\n\tb: 1\n", "a tab, where YAML wants spaces, line 2, column 1"),
        (b'{"a": [1, 2\n', r"line 2, column 1, while parsing a flow sequence from line 1"),
        (b"a: 1\nb: {c: 1\n\nd: 2\n", "line 4, .* while parsing a flow mapping from line 2"),
        (b"study: caf\xe9\n", "byte 10 is no UTF-8.; save it as UTF-8"),
        ("a: 1\n".encode("utf-16"), "byte 0 is no UTF-8"),
        (b"tracking: x\x07\n", "control characters are not allowed"),
        (b"a: 2026-13-45\n", "has a date or number that is none; quote it"),
        (b"a: &x {b: *x}\n", "has a part that holds itself"),
        (b"- a\n- b\n", "expected a mapping of keys to values"),
        (b"", "expected a mapping of keys to values"),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_told_by_its_place(
    tmp_path: Path, text: bytes, said: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(text)
    with pytest.raises(UserError, match=rf"config\.yaml: .*{said}"):
        read_yaml(file)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read \(No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "tracking:\n  uri: https://s3cret@h\n  uri: https://h\n",
        "tracking: {uri: 'postgresql://me:s3cret@h'\nsource: a\n",
        "tracking: s3cret\x07\n",
    ],
)
def test_a_mistake_is_told_without_its_line(tmp_path: Path, text: str) -> None:
    """An address that stands in that line may hold a password."""
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match="is not valid YAML") as told:
        read_yaml(tmp_path / "config.yaml")
    assert "s3cret" not in str(told.value)


def test_numbers_are_read_as_people_write_them_and_a_mark_of_utf_8_is_none(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: [1e-6, 2E3, -1.e+2, 5, x1e-6]\n")
    assert read_yaml(file) == {"a": [1e-6, 2000.0, -100.0, 5, "x1e-6"]}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"epochs": "2", "lr": "1e-3"}, {"epochs": 2, "lr": 1e-3}),
        (["0", "1"], [0, 1]),
        ({"a": {"b": ["true", "null", "off", "x"]}}, {"a": {"b": [True, None, False, "x"]}}),
        (
            {"uri": "sqlite:///x.db", "day": "2026-01-01"},
            {"uri": "sqlite:///x.db", "day": "2026-01-01"},
        ),
        (["a: b", "[1", "", "'"], ["a: b", "[1", "", "'"]),
        ({"n": 3, "x": 1.5, "b": True}, {"n": 3, "x": 1.5, "b": True}),
    ],
)
def test_what_a_command_line_gives_as_text_is_read_as_yaml_reads_it(given: Any, read: Any) -> None:
    """Snakemake's `--config training='{epochs: 2}'` gives text at every depth."""
    assert from_text(given) == read
