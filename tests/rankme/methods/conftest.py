"""Data of the default study, on which methods show that they learn."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rankme.data.dataset import Dataset, load_dataset
from rankme.data.prepare import prepare
from rankme.study.datasets import Catalogue


def prepared(name: str, folder: Path) -> Dataset:
    prepare(name, Catalogue()[name], folder, workers=1)
    return load_dataset(folder)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The default study's source."""
    return prepared("shapes", tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="session")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A target of the default study."""
    return prepared("textures", tmp_path_factory.mktemp("textures"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Results that do not depend on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
