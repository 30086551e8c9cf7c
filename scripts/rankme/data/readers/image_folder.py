"""Images of one's own: one folder a class, with or without a split into train and test."""

from pathlib import Path

from rankme.data.raw import RawDataset, label_folders, list_folders, require_root
from rankme.data.splits import SplitSeed, Stratified, TestFraction, stratified
from rankme.errors import UserError
from rankme.study.settings import Name, Settings, key

FETCHES = False


class Options(Settings):
    """Names of its folders, or how the one folder is split."""

    train: Name = key("train", "Folder in root with the training images, one folder a class.")
    test: Name = key("test", "Folder in root with the test images, the same classes as in train.")
    test_fraction: TestFraction | None = key(
        None,
        "Set it when root itself holds the class folders, with no split: this fraction"
        " of each class becomes the test split, and train and test are not read.",
    )
    seed: SplitSeed = 0


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read root/<train>/<class>/* and root/<test>/<class>/*, or split root/<class>/*.

    Raises:
        UserError: a folder is missing, unreadable or empty, or the splits differ in classes.
    """
    folder = require_root(root)
    if options.test_fraction is not None:
        classes = list_folders(folder)
        split = Stratified(test_fraction=options.test_fraction, seed=options.seed)
        return RawDataset(classes, *stratified(label_folders(folder, classes), split, folder))
    train, test = folder / options.train, folder / options.test
    classes = list_folders(train)
    _refuse_other_classes(train, classes, test)
    splits = {"train": label_folders(train, classes), "test": label_folders(test, classes)}
    return RawDataset(classes, splits)


def _refuse_other_classes(train: Path, classes: list[str], test: Path) -> None:
    different = sorted(set(classes) ^ set(list_folders(test)))
    if different:
        missing = [str((test if name in classes else train) / name) for name in different[:5]]
        raise UserError(
            f"{train} and {test} must hold the same class folders; "
            f"{len(different)} are in one only, missing: {', '.join(missing)}"
        )
