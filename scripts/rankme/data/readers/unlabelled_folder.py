"""Images of one's own without labels: all files below one folder, in folders or not."""

from pathlib import Path

import numpy as np

from rankme.data.raw import NoOptions as Options
from rankme.data.raw import RawDataset, RawSplit, list_images, require_root
from rankme.errors import UserError

FETCHES = False
LABELLED = False


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read root/**/*; all images are for training but the last, since nothing is tested on them.

    Raises:
        UserError: the folder is missing, unreadable or holds fewer than three images.
    """
    files = list_images(require_root(root))
    if len(files) < 3:
        raise UserError(f"{root}: holds {len(files)} images, expected three or more")
    splits = {
        name: RawSplit(part, np.zeros(len(part), np.int64))
        for name, part in (("train", files[:-1]), ("test", files[-1:]))
    }
    return RawDataset(["unlabelled"], splits, "all but the last image for training", labelled=False)
