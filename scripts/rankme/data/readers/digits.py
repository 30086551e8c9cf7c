"""Handwritten digits, 8 x 8, from scikit-learn (UCI Optical Recognition of Handwritten Digits)."""

from pathlib import Path

import numpy as np

from rankme.data.raw import RawDataset, RawSplit
from rankme.data.splits import describe_stratified, stratified_split

OPTIONS = {
    "test_fraction": {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "default": 0.3,
        "description": "Fraction of each class in the test split; scikit-learn gives no split.",
    },
    "seed": {
        "type": "integer",
        "minimum": 0,
        "default": 0,
        "description": "Seed of the split into train and test.",
    },
}

_WHITE = 16


def read(root: Path | None, size: int, *, test_fraction: float, seed: int) -> RawDataset:
    """The 1,797 digits as grey images in three equal channels, 0-16 scaled to 0-255."""
    # Imported here: scikit-learn takes seconds to load.
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / _WHITE)).astype(np.uint8)
    images = np.repeat(grey[..., None], 3, axis=-1)
    labels = digits.target.astype(np.int64)
    keys = [str(index) for index in range(len(labels))]
    train, test = stratified_split(keys, labels, test_fraction, seed)
    splits = {"train": train, "test": test}
    return RawDataset(
        [str(digit) for digit in digits.target_names],
        {name: RawSplit(images[rows], labels[rows]) for name, rows in splits.items()},
        describe_stratified(test_fraction, seed),
    )
