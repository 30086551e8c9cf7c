"""Small trees of real image files for the tests of data sets."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from rankme.data.prepare import prepare
from tests.rankme.data.pictures import Tree, folder_of, photo


@pytest.fixture
def image_tree(tmp_path: Path) -> Tree:
    """Writes root/<split>/<class>/<n>.png and returns root."""

    def write(counts: dict[str, dict[str, int]]) -> Path:
        root = tmp_path / "images"
        for split, classes in counts.items():
            for name, count in classes.items():
                folder = root / split / name
                folder.mkdir(parents=True)
                for index in range(count):
                    seed = zlib.crc32(f"{split}/{name}/{index}".encode())
                    photo(seed).save(folder / f"{index}.png")
        return root

    return write


@pytest.fixture
def cats_and_dogs(image_tree: Tree) -> Path:
    """Two classes with three training and two test images each."""
    return image_tree({"train": {"cat": 3, "dog": 3}, "test": {"cat": 2, "dog": 2}})


@pytest.fixture
def prepared(cats_and_dogs: Path, tmp_path: Path) -> Callable[..., Path]:
    """Prepares the cats and dogs with the keys of a declaration, and returns the folder."""

    def made(folder: str = "out", workers: int = 1, name: str = "pets", **keys: object) -> Path:
        prepare(name, folder_of(cats_and_dogs, **keys), tmp_path / folder, workers)
        return tmp_path / folder

    return made


@pytest.fixture
def image_sets() -> Path:
    """The folder of real image sets."""
    if "RANKME_IMAGE_SETS" not in os.environ:
        pytest.skip("RANKME_IMAGE_SETS does not name a folder of real image sets")
    return Path(os.environ["RANKME_IMAGE_SETS"])
