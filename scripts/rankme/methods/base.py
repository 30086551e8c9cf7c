"""What every self-supervised method has in common."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Generic

import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from rankme.augment import View, recipe
from rankme.methods.gather import gather
from rankme.models import Encoder, Projector
from rankme.study.settings import Augmentation, Settings

Own = TypeVar("Own", bound=Settings, default=Settings)


class Method(nn.Module, Generic[Own]):
    """Encoder, projector and the loss that trains them; a subclass defines `loss`.

    Args:
        encoder, projector: untrained.
        hyperparameters: the `Hyperparameters` of the method's file.
        classes: of the source; 0 where an image may have several labels.

    Attributes:
        trains: whether the method takes any step of training.
        encoder: images (N, 3, H, W) to representations (N, D); saved and evaluated.
        projector: representations to embeddings (N, K); saved and evaluated.
        embeddings: of each view of the last batch, which the rank regulariser reads.
    """

    trains: ClassVar[bool] = True

    def __init__(
        self, encoder: Encoder, projector: Projector, hyperparameters: Own, classes: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector
        self.hyperparameters = hyperparameters
        self.embeddings: tuple[Tensor, ...] = ()

    def views(self, augmentation: Augmentation, image_size: int) -> tuple[View, ...]:
        """The augmented views of an image of that side in pixels, in the order of `loss`."""
        return recipe(augmentation, image_size)

    def networks(self) -> tuple[nn.Module, ...]:
        """All that a step runs images or representations through, for torch.compile."""
        return self.encoder, self.projector

    def embed(self, views: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Embeddings (N, K) of each view (N, 3, H, W).

        The views pass as one batch, as in the official SimCLR code, so in train mode BatchNorm's
        statistics are over all of them. (The official VICReg code passes them one by one.)
        """
        embeddings = self.projector(self.encoder(torch.cat(list(views))))
        self.embeddings = embeddings.chunk(len(views))
        return self.embeddings

    def loss(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        """The mean loss of a batch, a scalar of at least float32 even under autocast.

        With several processes each passes its slice of the batch and gets the loss of the whole
        batch; parameter gradients are to be averaged over processes (see `gather`).

        Args:
            views: a tensor (N, 3, H, W) for each of `self.views`.
            labels: int64 (N,); self-supervised methods ignore them.
        """
        raise NotImplementedError

    def after_step(self, step: int, steps: int) -> None:
        """Called after optimiser step `step` of `steps`: a momentum teacher follows here."""


class TwoViews(Method):
    """A method whose loss is the `criterion` of two views, over the batch of all processes.

    It takes the embeddings (N, K) of each view, row by row of the same images, and the method's
    hyperparameters by name.
    """

    criterion: ClassVar[Callable[..., Tensor]]

    def loss(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        z_a, z_b = (gather(z) for z in self.embed(views))
        return self.criterion(z_a, z_b, **dict(self.hyperparameters))


@contextmanager
def full_precision(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Leave autocast, with the tensors in at least float32: bfloat16 variances are off by 8 %."""
    with torch.autocast(tensors[0].device.type, enabled=False):
        yield tuple(t.to(torch.promote_types(t.dtype, torch.float32)) for t in tensors)
