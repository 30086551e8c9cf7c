"""Datasets: what may be declared under a name, and which there are.

The built-in ones stand in config/datasets.yaml. Those of one's own stand in the study's file or in
one beside it, and go over the built-in ones.
"""

import os
import re
from collections import UserDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import ConfigDict, SerializeAsAny, ValidationInfo, field_validator

from rankme.errors import Mistakes, UserError, refuse, unknown
from rankme.plugins import LIBRARY
from rankme.study.choices import Made, reader_options, readers
from rankme.study.identity import revived
from rankme.study.mistakes import validated
from rankme.study.settings import Name, Settings, key
from rankme.yaml_files import read_yaml

BUILT_IN = LIBRARY.parents[1] / "config" / "datasets.yaml"

NAME_PATTERN = r"[a-z0-9][a-z0-9._-]*"

_P = TypeVar("_P", bound="Pixels")


class Archive(Settings):
    """Archive that holds the folder `root`, fetched and unpacked where that folder is missing; with
    its sha256 or its md5. Not part of a dataset's identity."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["sha256"]}, {"required": ["md5"]}]}
    )

    url: str = key(..., "Address of a .zip or .tar file of any compression.", pattern="^https?://")
    sha256: str | None = key(
        None, "SHA-256 of the archive, in hexadecimal digits.", pattern="^[0-9a-f]{64}$"
    )
    md5: str | None = key(
        None,
        "MD5 of the archive, in hexadecimal digits; where no SHA-256 is published.",
        pattern="^[0-9a-f]{32}$",
    )
    unpacked_mb: int = key(
        ..., "The most that its files may come to, in megabytes; more is refused.", ge=1
    )

    @field_validator("md5")
    @classmethod
    def _one_digest(cls, md5: str | None, earlier: ValidationInfo) -> str | None:
        if md5 is None and earlier.data.get("sha256", "wrong") is None:
            raise ValueError("is no digest, and there is no sha256; give one of the two")
        if md5 and earlier.data.get("sha256"):
            raise ValueError("stands beside a sha256; give one of the two")
        return md5


class Expected(Settings):
    """Counts that the data must have; other counts are refused before decoding."""

    classes: int | None = key(None, "Number of classes.", ge=2)
    train: int | None = key(None, "Number of training images.", ge=4)
    test: int | None = key(None, "Number of test images.", ge=2)


class Pixels(Settings):
    """What decides the pixels and labels of a dataset; where its files lie does not."""

    reader: str = key(
        ..., "How the images are read; the name of a file in scripts/rankme/data/readers/."
    )
    size: int = key(
        ...,
        "Height and width of the decoded images in pixels; the shorter side is resized to it"
        " (bicubic, antialiased) and the centre cropped.",
        ge=8,
        le=1024,
    )
    options: SerializeAsAny[Settings] = key(
        Settings(), "Options of the reader; one left out has the default that the reader states."
    )
    skip_unreadable: int = key(
        0,
        "Up to so many images that cannot be decoded are left out, and listed in DATASET; with"
        " more, the preparation fails and names them.",
        ge=0,
    )


class Declaration(Pixels):
    """A dataset, and how to read it."""

    root: Name | None = key(
        None,
        "Folder that holds the images, or that they are downloaded to; `~` and $VARIABLES are"
        " expanded, a relative path starts where the command is run. Not part of a dataset's"
        " identity. Generated datasets have none.",
    )
    archive: Archive | None = None
    metric: Literal["top1", "map"] = key(
        "top1",
        "What accuracy means on this dataset: top1, the fraction classified right, or map, the"
        " mean over classes of the average precision, where an image may show several classes.",
    )
    expected: Expected = Expected()
    licence: str = key("", "Terms the images come under.")
    description: str = key("", "What the images show and where they come from.")

    @property
    def pixels(self) -> Pixels:
        """The part of it that decides pixels and labels."""
        return Pixels(**{name: getattr(self, name) for name in Pixels.model_fields})


class Source(Pixels):
    """The dataset that a run is pretrained on."""

    name: str


class Catalogue(UserDict[str, Any]):
    """Declared datasets by name: one's own over the built-in ones, each checked when it is taken.

    Args:
        own: declarations by name, or the YAML file that holds them; None for none.
        made: makes the settings of one's own.

    Attributes:
        place: where they are declared, for messages.

    Raises:
        UserError: a file is missing or no YAML mapping; or with every mistake in one's own
            declarations, a line each.
    """

    def __init__(self, own: Any = None, made: Made = validated) -> None:
        if isinstance(own, str | Path):
            mine, place, named = read_yaml(Path(own)), f"{own}: ", [str(own)]
        elif own is None or isinstance(own, Mapping):
            mine, place, named = dict(own or {}), "datasets.", ["`datasets`"] * bool(own)
        else:
            raise UserError(
                f"datasets: {own!r} is no mapping of names to declarations and no file of them; "
                "write a file's path, or `my-photos: {reader: image_folder, root: ~/photos, size: "
                "64}`"
            )
        given, built_in = read_yaml(BUILT_IN).items(), _shown(BUILT_IN)
        self.place = " or ".join([*named, built_in])
        self.data = {name: (one, f"{built_in}: ", validated) for name, one in given}
        self.data |= {name: (one, place, made) for name, one in mine.items()}
        told = Mistakes()
        for name in mine:
            with told:
                self[name]
        refuse(told)

    def __getitem__(self, name: str) -> Declaration:
        return declare(name, *self.data[name])


def declare(name: str, given: Any, place: str = "", made: Made = validated) -> Declaration:
    """The declaration of a dataset from what stands below its name, with every default.

    `place` stands before its name in a message, such as "mine.yaml: ".

    Raises:
        UserError: with every mistake found, a line each.
    """
    if not (isinstance(name, str) and re.fullmatch(NAME_PATTERN, name)):
        raise UserError(
            f"{place}{name}: is no name of a dataset; use lower-case letters, digits, dots,"
            " underscores and dashes, the first a letter or digit, in quotes if all are digits"
        )
    return from_json(Declaration, given, f"{place}{name}", made)


def from_json(kind: type[_P], given: Any, place: str, made: Made = revived) -> _P:
    """A dataset, or what decides its pixels, from its JSON form (see `rankme.study.identity`).

    Args:
        kind: Pixels, Source or Declaration.
        given: the JSON form.
        place: what stands before each key in a message.
        made: makes the settings; the `options` by the class of their reader.

    Raises:
        UserError: with every mistake found, a line each.
    """
    told, parts = Mistakes(), given
    if isinstance(given, Mapping):
        parts, reader = dict(given), given.get("reader")
        options = parts.pop("options", {})
        with told:
            if isinstance(reader, str):
                if reader not in readers():
                    raise UserError(unknown(f"{place}.reader", reader, readers()))
                parts["options"] = made(reader_options(reader), options, f"{place}.options")
    with told:
        whole = made(kind, parts, place)
    refuse(told)
    return cast(_P, whole)


def other_pixels(stored: Any, wanted: Pixels) -> list[str]:
    """Keys in which a stored declaration means other pixels or labels than the one wanted.

    Raises:
        UserError: it is no declaration.
    """
    if isinstance(stored, Mapping):
        stored = {key: value for key, value in stored.items() if key in Pixels.model_fields}
    earlier = from_json(Pixels, stored, "declaration")
    return [key for key in Pixels.model_fields if getattr(earlier, key) != getattr(wanted, key)]


def expand_root(declaration: Declaration) -> Path | None:
    """The folder `root:` means, with ~ and $VARIABLES expanded; None where there is none.

    Raises:
        UserError: a variable in it is not set.
    """
    if declaration.root is None:
        return None
    root = os.path.expanduser(os.path.expandvars(declaration.root))
    if "$" in root:
        raise UserError(
            f"root: {declaration.root}: the variable is not set; "
            "export it, or write the folder's path"
        )
    return Path(root)


def _shown(file: Path) -> str:
    """A file as a message names it: below the working directory, if it lies there."""
    return os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file)
