"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) through torchvision."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from rankme.data.raw import RawDataset, RawSplit, require_root
from rankme.errors import UserError
from rankme.study.settings import Settings, key


class Options(Settings):
    """Which of the two."""

    variant: Literal[10, 100] = key(
        10, "Number of classes: CIFAR-10, or CIFAR-100 with its fine labels."
    )


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read the python version of the set below `root`, downloaded there if it is missing.

    torchvision compares every file with its published MD5 before it opens one.
    """
    folder = require_root(root)
    # Imported here: torchvision takes seconds to load.
    from torchvision.datasets import CIFAR10, CIFAR100

    kind = CIFAR100 if options.variant == 100 else CIFAR10
    splits = {}
    for name in ("train", "test"):
        try:
            part = kind(folder, train=name == "train", download=True)
        except (OSError, RuntimeError) as error:
            raise UserError(_missing(kind, folder, error)) from error
        splits[name] = RawSplit(part.data, np.array(part.targets, dtype=np.int64))
    return RawDataset(list(part.classes), splits)


def _missing(kind: Any, root: Path, error: Exception) -> str:
    files = [*(file for file, _ in kind.train_list + kind.test_list), kind.meta["filename"]]
    return (
        f"{root / kind.base_folder}: no valid copy, and {kind.url} could not be fetched ({error}); "
        f"download it where there is a network and unpack it in {root}, so that {kind.base_folder} "
        f"holds {', '.join(files)}"
    )
