"""Handwritten digits, 8 x 8, from scikit-learn (UCI Optical Recognition of Handwritten Digits)."""

from pathlib import Path

import numpy as np

from rankme.data.raw import RawDataset, RawSplit
from rankme.data.splits import Stratified, TestFraction, stratified


class Options(Stratified):
    """Its split."""

    test_fraction: TestFraction = 0.3


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """The 1,797 digits as grey images in three equal channels, 0-16 scaled to 0-255."""
    # Imported here: scikit-learn takes seconds to load.
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    everything = RawSplit(np.repeat(grey[..., None], 3, axis=-1), digits.target.astype(np.int64))
    return RawDataset([str(d) for d in digits.target_names], *stratified(everything, options))
