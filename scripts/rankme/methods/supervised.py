"""A control for the other end: an encoder trained with the labels of its source, as a ceiling."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rankme.errors import UserError
from rankme.methods.base import Method, full_precision
from rankme.methods.gather import mean_of_processes
from rankme.models import Encoder, Projector
from rankme.study.settings import Settings

NAME = "Supervised"
CONTROL = True
USES_LABELS = True


class Supervised(Method):
    """Cross-entropy of a linear classifier on the embeddings of both views.

    It stands on the embeddings, not on the representations, so that the projector is trained as in
    every other method and RankMe of the embeddings means the same. The classifier itself is not
    kept: it is the probe that measures accuracy.

    Raises:
        UserError: images of the source may have several labels, or all have the same.
    """

    def __init__(
        self, encoder: Encoder, projector: Projector, hyperparameters: Settings, classes: int
    ) -> None:
        super().__init__(encoder, projector, hyperparameters, classes)
        if classes < 2:
            raise UserError(
                f"method: {NAME} needs a source of at least two classes with one label an image; "
                "choose another source, or leave it out"
            )
        self.classifier = nn.Linear(projector.dimension, classes)

    def loss(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        scores = self.classifier(torch.cat(self.embed(views)))
        with full_precision(scores) as (scores,):
            loss = F.cross_entropy(scores, labels.repeat(len(views)))
        return mean_of_processes(loss)


METHOD = Supervised
