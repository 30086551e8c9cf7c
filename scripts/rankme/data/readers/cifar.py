"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) through torchvision."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from rankme.data.raw import RawDataset, RawSplit, require_root
from rankme.errors import UserError
from rankme.study.settings import Settings


class Options(Settings):
    """Which of the two."""

    variant: Literal[10, 100] = Field(
        10, description="Number of classes: CIFAR-10, or CIFAR-100 with its fine labels."
    )


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read the python version of the set below `root`, downloaded there if it is missing.

    torchvision compares every file with its published MD5 before it opens one.

    Raises:
        UserError: there is neither valid data nor a network to fetch it.
    """
    folder = require_root(root)
    # Imported here: torchvision takes seconds to load.
    from torchvision.datasets import CIFAR10, CIFAR100

    kind = CIFAR100 if options.variant == 100 else CIFAR10
    try:
        train, test = (kind(folder, train=train, download=True) for train in (True, False))
    except (OSError, RuntimeError) as error:
        raise UserError(_missing(kind, folder, error)) from error
    splits = {
        name: RawSplit(part.data, np.array(part.targets, dtype=np.int64))
        for name, part in (("train", train), ("test", test))
    }
    return RawDataset(list(train.classes), splits)


def _missing(kind: Any, root: Path, error: Exception) -> str:
    files = [*kind.train_list, *kind.test_list, [kind.meta["filename"], kind.meta["md5"]]]
    expected = ", ".join(file for file, _ in files)
    return (
        f"{os.path.join(root, kind.base_folder)}: no valid copy, and {kind.url} "
        f"could not be fetched ({error}); download it where there is a network and unpack it in "
        f"{root}, so that {kind.base_folder} holds {expected}"
    )
