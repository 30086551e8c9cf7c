"""Files are written whole or not at all, and read with errors that name them."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from rankme import files
from rankme.errors import UserError
from rankme.files import (
    atomic,
    read_json,
    remove_leftovers,
    sha256_file,
    write_json,
    write_text,
)


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


def test_two_may_write_one_file_at_once_and_the_last_to_end_wins(tmp_path: Path) -> None:
    with atomic(tmp_path / "R") as slow:
        slow.write_text("slow")
        write_text(tmp_path / "R", "fast")
        assert (tmp_path / "R").read_text() == "fast"
    assert (tmp_path / "R").read_text() == "slow"
    assert names(tmp_path) == {"R"}


def test_what_a_kill_left_goes_an_hour_later_and_what_is_being_written_stays(
    tmp_path: Path,
) -> None:
    for name in (".R.old.partial", ".R.new.partial", ".S.old.partial"):
        (tmp_path / name).touch()
        age = 3700 if "old" in name else 0
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write_text(tmp_path / "R", "text")
    assert names(tmp_path) == {"R", ".R.new.partial", ".S.old.partial"}
    remove_leftovers(tmp_path / "R")
    assert names(tmp_path) == {"R", ".S.old.partial"}


def test_a_link_in_the_place_of_the_new_file_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "token_hex", lambda count: "guessed")
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".R.guessed.partial").symlink_to("precious")
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "R", "text")
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_new_file_has_the_mode_that_the_umask_says(tmp_path: Path) -> None:
    usual = os.umask(0o027)
    try:
        write_text(tmp_path / "R", "text")
    finally:
        os.umask(usual)
    assert (tmp_path / "R").stat().st_mode & 0o777 == 0o640


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


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
