"""RankMe while a run trains."""

import math

import numpy as np
import torch

from rankme.augment import evaluation_batch
from rankme.data.batches import DeviceBatches
from rankme.data.dataset import Dataset
from rankme.methods import Method
from rankme.metrics import Gram, rankme_from_singular_values

_BATCH = 256


class RankMonitor:
    """RankMe of the embeddings of a fixed subset of the training images.

    Evaluation mode and transform, float32. It leaves no trace in the training: it draws no random
    number and moves no running statistics.

    Args:
        batches: the training images.
        dataset: gives the normalisation.
        samples: size of the subset, the same for all runs; all images where there are fewer.
    """

    def __init__(self, batches: DeviceBatches, dataset: Dataset, samples: int) -> None:
        self._batches = batches
        self._normalisation = dataset.normalisation
        order = np.random.default_rng(0).permutation(len(batches))[:samples]
        self._subset = torch.from_numpy(np.sort(order))

    def __call__(self, method: Method) -> float:
        """RankMe now; NaN where embeddings are not finite. Leaves the method in train mode."""
        gram = Gram(method.projector.dimension)
        method.eval()
        with torch.inference_mode():
            for indices in self._subset.split(_BATCH):
                images = evaluation_batch(self._batches.get(indices), **self._normalisation)
                gram.update(method.projector(method.encoder(images)))
        method.train()
        try:
            return rankme_from_singular_values(gram.singular_values())
        except ValueError:
            return math.nan
