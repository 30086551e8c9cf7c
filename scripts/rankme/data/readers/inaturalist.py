"""iNaturalist 2021 (mini or whole) and 2018 (Van Horn et al. 2018, 2021); val is the test split."""

from pathlib import Path
from typing import Any, Literal

from rankme.data.raw import RawDataset, RawSplit, require_root
from rankme.data.torchvision_sets import label_paths, open_dataset, same_classes
from rankme.errors import UserError
from rankme.files import read_json
from rankme.study.settings import Settings, key

_LISTS_FROM = "https://github.com/visipedia/inat_comp/tree/master/2018"


class Options(Settings):
    """Which of the three."""

    version: Literal["2021_mini", "2021", "2018"] = key(
        "2021_mini",
        "Year of the competition; mini has 50 training images a species. 2018 needs"
        " train2018.json and val2018.json in root, from github.com/visipedia/inat_comp.",
    )


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read root/2021_train_mini (or 2021_train) and root/2021_valid, or root/2018 and its lists."""
    if options.version == "2018":
        return _read_2018(require_root(root))
    folders = {"train": options.version.replace("2021", "2021_train"), "test": "2021_valid"}
    parts = {n: open_dataset("INaturalist", root, (f,), version=f) for n, f in folders.items()}
    classes = same_classes(parts["train"].all_categories, parts["test"].all_categories)
    return RawDataset(classes, {name: _listed(part) for name, part in parts.items()})


def _listed(part: Any) -> RawSplit:
    files = (f"{part.root}/{part.all_categories[label]}/{name}" for label, name in part.index)
    return label_paths(files, (label for label, _ in part.index))


def _read_2018(root: Path) -> RawDataset:
    """The lists are read first, since torchvision fetches the images alone."""
    contents = {"train": _list(root / "train2018.json"), "test": _list(root / "val2018.json")}
    open_dataset("INaturalist", root, ("2018",), version="2018")
    try:
        names = {row["id"]: row["name"] for row in contents["train"]["categories"]}
        splits = {name: _annotated(root, content) for name, content in contents.items()}
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{root}: train2018.json or val2018.json is not as published "
            f"({type(error).__name__}: {error}); fetch both again from {_LISTS_FROM}"
        ) from error
    return RawDataset([f"{number:04d} {name}" for number, name in sorted(names.items())], splits)


def _list(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise UserError(f"{path}: is missing; fetch it from {_LISTS_FROM} and put it there")
    return read_json(path)


def _annotated(root: Path, content: dict[str, Any]) -> RawSplit:
    """Images are named train_val2018/...; torchvision calls that folder 2018."""
    label_of = {row["image_id"]: row["category_id"] for row in content["annotations"]}
    below = {row["id"]: row["file_name"].partition("/")[2] for row in content["images"]}
    labels = (label_of[image] for image in below)
    return label_paths((root / "2018" / name for name in below.values()), labels)
