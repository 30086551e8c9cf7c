"""What methods and encoders there are is read from their files, without running them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rankme import plugins
from rankme.errors import UserError
from rankme.study.choices import encoders, methods, readers, recipes
from rankme.study.settings import EncoderSettings, Settings
from tests.rankme.study.configs import loaded_by

METHOD = """\
import torch  # Not here, and not needed.
from pydantic import Field

from rankme.study.settings import Settings

NAME = "Mine"


class Hyperparameters(Settings):
    {}


METHOD = torch.nn.Module
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A library without any method or encoder."""
    for package in ("methods", "models/encoders"):
        (tmp_path / package).mkdir(parents=True)
    methods.cache_clear()
    encoders.cache_clear()
    monkeypatch.setattr(plugins, "LIBRARY", tmp_path)
    yield tmp_path
    methods.cache_clear()
    encoders.cache_clear()


def test_the_methods_are_those_whose_files_say_so() -> None:
    assert {"SimCLR", "VICReg"} <= methods().keys()
    assert methods()["SimCLR"].hyperparameters.model_fields.keys() == {"temperature"}
    assert methods()["RandomInit"].hyperparameters is Settings
    assert [n for n, offer in methods().items() if offer.control] == ["RandomInit", "Supervised"]
    assert [name for name, offer in methods().items() if offer.uses_labels] == ["Supervised"]
    assert encoders()["resnet10"] is EncoderSettings
    assert {"byol", "simclr"} <= set(recipes())
    assert {"shapes", "image_folder"} <= set(readers())


def test_methods_and_encoders_are_read_without_what_takes_seconds_to_load() -> None:
    loaded = loaded_by("from rankme.study.choices import encoders, methods; methods(), encoders()")
    assert not {"torch", "numpy", "yaml", "snakemake"} & loaded


def test_a_file_is_a_method_and_nothing_in_it_is_run(library: Path) -> None:
    (library / "methods/mine.py").write_text(METHOD.format("weight: float = Field(1, ge=0)"))
    assert methods()["Mine"].hyperparameters().model_dump() == {"weight": 1.0}


def test_two_files_of_one_name_are_refused_and_both_named(library: Path) -> None:
    for name in ("first", "second"):
        (library / f"methods/{name}.py").write_text("NAME = 'Mine'")
        (library / f"models/encoders/{name}.py").write_text("NAMES = ('mine',)")
    with pytest.raises(UserError, match=r"second\.py: 'Mine' is offered by \S+first\.py"):
        methods()
    with pytest.raises(UserError, match=r"second\.py: 'mine' is offered by \S+first\.py"):
        encoders()


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ("weight: float", "'weight' needs a default, such as"),
        ("weight: float = Field(0, gt=0)", "a default is out of its own bounds"),
        ("momentum: float = 0.9", "its 'momentum' is a key of `training`, too"),
        ("weight: float = torch.pi", "what it declares cannot be read .*'torch' is not defined"),
        ("weight float", "what it declares cannot be read .*SyntaxError"),
    ],
)
def test_a_method_whose_hyperparameters_cannot_be_read_is_named(
    library: Path, keys: str, mistake: str
) -> None:
    (library / "methods/mine.py").write_text(METHOD.format(keys))
    with pytest.raises(UserError, match=rf"mine\.py: {mistake}"):
        methods()


OPTIONS = """\
from rankme.study.settings import EncoderSettings

NAMES = ('net', 'nett')


class Options(EncoderSettings):
    {}
"""


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("NAMES = ('net')", "NAMES must be a tuple"),
        (OPTIONS.format("depth: int"), "'depth' needs a default"),
        (OPTIONS.format("width: int = 3"), "its 'width' is a key of `encoder`, too"),
        (OPTIONS.replace("(EncoderSettings)", "").format("pass"), "Options must be a class"),
    ],
)
def test_an_encoder_whose_file_cannot_be_read_is_named(
    library: Path, text: str, mistake: str
) -> None:
    (library / "models/encoders/mine.py").write_text(text)
    with pytest.raises(UserError, match=rf"mine\.py: {mistake}"):
        encoders()


def test_settings_of_an_encoder_are_those_of_its_file(library: Path) -> None:
    (library / "models/encoders/a.py").write_text(OPTIONS.format("depth: int = 3"))
    (library / "models/encoders/b.py").write_text("NAMES = ('other',)")
    assert list(encoders()) == ["net", "nett", "other"]
    assert encoders()["nett"]().model_dump()["depth"] == 3
    assert encoders()["other"] is EncoderSettings
