"""Declarations of datasets: what may stand under a dataset's name, and which there are."""

from typing import Generic, Literal

from pydantic import Field, SerializeAsAny
from typing_extensions import TypeVar

from rankme.study.settings import Name, Settings

Options = TypeVar("Options", bound=Settings, default=Settings, covariant=True)


class Archive(Settings):
    """Archive that holds the folder `root`, fetched and unpacked where that folder is missing."""

    url: str = Field(
        pattern="^https?://", description="Address of a .zip or .tar file of any compression."
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the archive, in hexadecimal digits.",
    )
    md5: str | None = Field(
        None,
        pattern="^[0-9a-f]{32}$",
        description="MD5 of the archive, in hexadecimal digits; where no SHA-256 is published.",
    )
    unpacked_mb: int = Field(
        ge=1, description="The most that its files may come to, in megabytes; more is refused."
    )


class Expected(Settings):
    """Counts that the data must have; other counts are refused before decoding."""

    classes: int | None = Field(None, ge=2, description="Number of classes.")
    train: int | None = Field(None, ge=4, description="Number of training images.")
    test: int | None = Field(None, ge=2, description="Number of test images.")


class Pixels(Settings, Generic[Options]):
    """What decides the pixels and labels of a dataset; where its files lie does not."""

    reader: str = Field(
        description="How the images are read; the name of a file in scripts/rankme/data/readers/."
    )
    size: int = Field(
        ge=8,
        le=1024,
        description="Height and width of the decoded images in pixels; the shorter side is resized"
        " to it (bicubic, antialiased) and the centre cropped.",
    )
    options: SerializeAsAny[Options] = Field(
        {},  # type: ignore[assignment]
        validate_default=True,
        description="Options of the reader; one left out has the default that the reader states.",
    )
    skip_unreadable: int = Field(
        0,
        ge=0,
        description="Up to so many images that cannot be decoded are left out, and listed in"
        " DATASET; with more, the preparation fails and names them.",
    )


class Declaration(Pixels[Options], Generic[Options]):
    """A dataset, and how to read it."""

    root: Name | None = Field(
        None,
        description="Folder that holds the images, or that they are downloaded to; `~` and"
        " $VARIABLES are expanded, a relative path starts where the command is run. Not part of a"
        " dataset's identity. Generated datasets have none.",
    )
    archive: Archive | None = Field(
        None,
        description="Archive that holds the folder `root`, fetched and unpacked where that folder"
        " is missing; with its sha256 or its md5. Not part of a dataset's identity.",
    )
    metric: Literal["top1", "map"] = Field(
        "top1",
        description="What accuracy means on this dataset: top1, the fraction classified right, or"
        " map, the mean over classes of the average precision, where an image may show several"
        " classes.",
    )
    expected: Expected = Field(
        Expected(),
        description="Counts that the data must have; other counts are refused before decoding.",
    )
    licence: str = Field("", description="Terms the images come under.")
    description: str = Field("", description="What the images show and where they come from.")

    @property
    def pixels(self) -> Pixels[Options]:
        """The part of it that decides pixels and labels."""
        names = Pixels.model_fields
        return Pixels[Settings].model_construct(**{name: getattr(self, name) for name in names})  # type: ignore[return-value]


class Source(Pixels[Options], Generic[Options]):
    """The dataset that a run is pretrained on."""

    name: str
