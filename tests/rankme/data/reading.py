"""Readers and declarations for the tests of datasets."""

from importlib import import_module
from pathlib import Path

from rankme.data.raw import RawDataset
from rankme.study.datasets import Declaration, declare


def folder_of(root: Path, size: int = 16, **keys: object) -> Declaration:
    """The declaration of a folder of images."""
    return declare("pets", {"reader": "image_folder", "size": size, "root": str(root), **keys})


def read(reader: str, root: Path | None = None, size: int = 32, **options: object) -> RawDataset:
    """What a reader makes of a folder, its options checked as in a declaration."""
    declaration = declare("x", {"reader": reader, "size": size, "options": options})
    raw: RawDataset = import_module(f"rankme.data.readers.{reader}").read(
        root, size, declaration.options
    )
    return raw
