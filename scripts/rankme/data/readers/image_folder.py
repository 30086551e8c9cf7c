"""Images of one's own: one folder a class, with or without a split into train and test."""

from pathlib import Path

from rankme.data.raw import (
    RawDataset,
    RawSplit,
    label_files,
    list_folders,
    list_images,
    require_root,
)
from rankme.data.splits import stratified
from rankme.errors import UserError

OPTIONS = {
    "train": {
        "type": "string",
        "minLength": 1,
        "default": "train",
        "description": "Folder in root with the training images, one folder a class.",
    },
    "test": {
        "type": "string",
        "minLength": 1,
        "default": "test",
        "description": "Folder in root with the test images, the same classes as in train.",
    },
    "test_fraction": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "default": None,
        "description": "Set it when root itself holds the class folders, with no split: this "
        "fraction of each class becomes the test split, and train and test are not read.",
    },
    "seed": {
        "type": "integer",
        "minimum": 0,
        "default": 0,
        "description": "Seed of the split that test_fraction makes.",
    },
}


def read(
    root: Path | None,
    size: int,
    *,
    train: str,
    test: str,
    test_fraction: float | None,
    seed: int,
) -> RawDataset:
    """Read root/<train>/<class>/* and root/<test>/<class>/*, or split root/<class>/*.

    Raises:
        UserError: a folder is missing, unreadable or empty, or the splits differ in classes.
    """
    folder = require_root(root)
    if test_fraction is not None:
        return _split_one_folder(folder, test_fraction, seed)
    classes = list_folders(folder / train)
    _refuse_other_classes(folder / train, classes, folder / test)
    splits = {"train": folder / train, "test": folder / test}
    return RawDataset(classes, {name: _labelled(path, classes) for name, path in splits.items()})


def _labelled(folder: Path, classes: list[str]) -> RawSplit:
    return label_files([list_images(folder / name) for name in classes])


def _refuse_other_classes(train: Path, classes: list[str], test: Path) -> None:
    different = sorted(set(classes) ^ set(list_folders(test)))
    if different:
        lacking = [test if name in classes else train for name in different]
        missing = ", ".join(str(p / n) for p, n in zip(lacking[:5], different[:5], strict=True))
        raise UserError(
            f"{train} and {test} must hold the same class folders; "
            f"{len(different)} are in one only, missing: {missing}"
        )


def _split_one_folder(root: Path, test_fraction: float, seed: int) -> RawDataset:
    classes = list_folders(root)
    everything = _labelled(root, classes)
    return RawDataset(classes, *stratified(everything, root, test_fraction, seed))
