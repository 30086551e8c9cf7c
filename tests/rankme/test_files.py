"""Files are written whole or not at all, and read with errors that name them."""

import hashlib
from pathlib import Path

import pytest

from rankme.errors import UserError
from rankme.files import atomic, read_json, sha256_file, write_json, write_text


def test_a_failure_while_writing_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "RESULT"
    write_text(file, "old")

    def fail() -> None:
        with atomic(file) as partial:
            partial.write_text("half")
            raise RuntimeError("killed here")

    with pytest.raises(RuntimeError, match="killed here"):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a/b/c", "text")
    assert (tmp_path / "a/b/c").read_text() == "text"


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    record = {"number": 0.1, "none": None, "list": [1, "two"]}
    write_json(tmp_path / "R", record)
    assert read_json(tmp_path / "R") == record


def test_nan_is_refused_since_json_has_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "R", {"x": float("nan")})
    assert not (tmp_path / "R").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"a": 1', "is not valid JSON"), ("[1]", "holds a list, expected a JSON object")],
)
def test_a_broken_record_is_named_with_what_is_wrong(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "RANKME_EVAL"
    file.write_text(text)
    with pytest.raises(UserError, match=f"RANKME_EVAL: {message}"):
        read_json(file)


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ACCURACY: cannot be read"):
        read_json(tmp_path / "ACCURACY")


def test_the_digest_of_a_file_is_sha256_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "f").write_bytes(data)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(data).hexdigest()
