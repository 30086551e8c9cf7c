"""Data sets that torchvision downloads and lists; their images are decoded here like all others."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rankme.data.raw import RawSplit, require_root
from rankme.errors import UserError


def open_dataset(kind: str, root: Path | None, needs: Sequence[str], **arguments: Any) -> Any:
    """A dataset of torchvision, downloaded to `root` first if it is not there.

    torchvision compares an archive with its published MD5 before it unpacks it.

    Args:
        kind: the name of torchvision's class.
        root: what torchvision calls root.
        needs: files and folders below `root` without which the data is not there.
        arguments: for the class.

    Raises:
        UserError: there is neither the data nor a network to fetch it, or it is damaged.
    """
    folder = require_root(root)
    missing = [name for name in needs if not (folder / name).exists()]
    # Imported here: torchvision takes seconds to load.
    import torchvision.datasets

    try:
        return getattr(torchvision.datasets, kind)(folder, download=bool(missing), **arguments)
    # On damaged annotations json, scipy and torchvision raise errors of any kind.
    except Exception as error:
        reason = f"({type(error).__name__}: {error})"
        if missing:
            raise UserError(
                f"{folder}: torchvision's {kind} is not there and could not be fetched {reason}; "
                f"run again where there is a network, or put there: {', '.join(missing)}"
            ) from error
        raise UserError(
            f"{folder}: cannot be read as torchvision's {kind} {reason}; fetch again what is "
            f"damaged of: {', '.join(needs)}"
        ) from error


def label_paths(files: Iterable[str | Path], labels: Iterable[int]) -> RawSplit:
    """Files and labels as a split, in the order of the paths: folders are listed in any order."""
    pairs = sorted((str(file), int(label)) for file, label in zip(files, labels, strict=True))
    return RawSplit([file for file, _ in pairs], np.array([label for _, label in pairs], np.int64))


def same_classes(train: Sequence[str], test: Sequence[str]) -> list[str]:
    """The classes of both splits.

    Raises:
        UserError: they differ.
    """
    different = sorted(set(train) ^ set(test))
    if different:
        shown = ", ".join(different[:5])
        raise UserError(
            f"train and test must have the same classes, but {len(different)} are in one only: "
            f"{shown}; the copy is incomplete, fetch it again"
        )
    return list(train)
