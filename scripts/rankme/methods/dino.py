"""DINO (Caron et al., ICCV 2021): a student predicts what its own moving average says."""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rankme.augment import View
from rankme.methods.base import Method, full_precision
from rankme.methods.gather import gather, mean_of_processes
from rankme.models import Encoder, Projector
from rankme.study.settings import Augmentation, Settings, key

NAME = "DINO"


class Hyperparameters(Settings):
    student_temperature: float = key(0.1, "Divides the student's scores before the softmax.", gt=0)
    teacher_temperature: float = key(
        0.04, "Divides the teacher's centred scores before the softmax; lower sharpens.", gt=0
    )
    teacher_momentum: float = key(
        0.996, "Of the moving average at the first step; it rises to 1 by a cosine.", ge=0, le=1
    )
    center_momentum: float = key(
        0.9, "Of the centre, the moving average of the teacher's scores.", ge=0, le=1
    )
    prototypes: int = key(
        4096,
        "Directions that embeddings are compared with; DINO's own code has 65,536.",
        ge=2,
        le=1048576,
    )
    local_crops: int = key(
        6,
        "Small views of an image beside the two global ones, for the student only.",
        ge=0,
        le=100,
    )
    crop_split: float = key(
        0.4,
        "Share of an image that global crops exceed and local crops stay below.",
        gt=0,
        lt=1,
        within="augmentation.crop_scale",
    )


def dino_loss(
    student: Tensor,
    teacher: Tensor,
    centre: Tensor,
    student_temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Cross-entropy between teacher and student (Caron et al. 2021, equations 1 to 3).

    The teacher's distribution is softmax((scores - centre) / teacher_temperature), and no gradient
    reaches it. Every student's view is compared with every teacher's view but itself: the first
    views of the student are those of the teacher.

    Args:
        student: (V, N, P) scores of all V views, the global ones first.
        teacher: (G, N, P) scores of the G global views, G <= V and V >= 2.
        centre: (P,), subtracted from the teacher's scores.
        student_temperature, teacher_temperature: above 0.

    Returns:
        The mean over pairs of views and samples, a scalar of at least float32.
    """
    with full_precision(student, teacher, centre) as (student, teacher, centre):
        targets = ((teacher.detach() - centre) / teacher_temperature).softmax(dim=-1)
        predictions = (student / student_temperature).log_softmax(dim=-1)
        entropies = -torch.einsum("gnp,vnp->gv", targets, predictions) / student.shape[1]
        pairs = entropies.numel() - len(teacher)
        return (entropies.sum() - entropies.diagonal().sum()) / pairs


def momentum_at(step: int, steps: int, first: float) -> float:
    """Momentum of the teacher after `step` (from 0) of `steps`: `first`, by a cosine towards 1."""
    return 1 - (1 - first) * (1 + math.cos(math.pi * step / steps)) / 2


class DINO(Method[Hyperparameters]):
    """Student, teacher, and the prototypes that both compare their embeddings with.

    `encoder` and `projector` are the teacher's: as in the official evaluation it is what is saved,
    measured and probed. Embeddings, of which RankMe is taken, are the projector's outputs, before
    they are normalised and compared with the prototypes.

    As in the official code the scores are cosines: embeddings and prototypes have unit length
    (`norm_last_layer`), the teacher's temperature is constant (the default; its long runs warm it
    up), and the teacher's BatchNorm has statistics of its own. It differs in that

    - the projector is the one of all methods, with BatchNorm and ReLU (official for ResNet-50:
      BatchNorm and GELU, then a bottleneck of 256);
    - the prototypes learn from the first step on (official: from the second epoch on);
    - gradients are not clipped and weight decay is constant (both official for ResNet-50).
    """

    criterion = staticmethod(dino_loss)

    def __init__(
        self, encoder: Encoder, projector: Projector, hyperparameters: Hyperparameters, classes: int
    ) -> None:
        super().__init__(encoder, projector, hyperparameters, classes)
        prototypes = hyperparameters.prototypes
        self.student_encoder = copy.deepcopy(encoder)
        self.student_projector = copy.deepcopy(projector)
        # The bare linear layer is the projector's kind of layer, drawn as torch draws it.
        self.student_directions = nn.Linear(projector.dimension, prototypes, bias=False)
        self.directions = copy.deepcopy(self.student_directions)
        for module in (self.encoder, self.projector, self.directions):
            module.requires_grad_(False)
        self.centre = nn.Buffer(torch.zeros(prototypes))

    def views(self, augmentation: Augmentation, image_size: int) -> tuple[View, ...]:
        """The two views of the recipe, of large crops, then `local_crops` small ones.

        Local views are 3/7 of the size (96 of 224 pixels), never solarised, and blurred as often as
        the two global ones are on average (byol: 0.55; DINO: 0.5).
        """
        low, high = augmentation.crop_scale
        split = self.hyperparameters.crop_split
        large = augmentation.model_copy(update={"crop_scale": (split, high)})
        first, second = super().views(large, image_size)
        local = replace(
            first,
            size=round(image_size * 96 / 224),
            crop_scale=(low, split),
            blur=(first.blur + second.blur) / 2,
            solarise=0.0,
        )
        return first, second, *[local] * self.hyperparameters.local_crops

    def networks(self) -> tuple[nn.Module, ...]:
        return *super().networks(), self.student_encoder, self.student_projector

    def embed(self, views: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The student's embeddings (N, K) of each view; global and local ones are a batch each."""
        groups = [list(group) for group in (views[:2], views[2:]) if group]
        representations = [self.student_encoder(torch.cat(group)) for group in groups]
        self.embeddings = self.student_projector(torch.cat(representations)).chunk(len(views))
        return self.embeddings

    def loss(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        """The DINO loss; the centre then moves on, for the next batch."""
        own = self.hyperparameters
        student = _scores(torch.stack(self.embed(views)), self.student_directions)
        with torch.no_grad():
            embeddings = self.projector(self.encoder(torch.cat(list(views[:2]))))
            teacher = _scores(torch.stack(embeddings.chunk(2)), self.directions)
            mean = gather(teacher.mean(dim=(0, 1))[None]).mean(0)
        temperatures = own.student_temperature, own.teacher_temperature
        loss = self.criterion(student, teacher, self.centre, *temperatures)
        self.centre.lerp_(mean, 1 - own.center_momentum)
        return mean_of_processes(loss)

    @torch.no_grad()
    def after_step(self, step: int, steps: int) -> None:
        """Move the teacher's parameters towards the student's."""
        weight = 1 - momentum_at(step, steps, self.hyperparameters.teacher_momentum)
        parameters: dict[str, Tensor] = dict(self.named_parameters())
        students = [name for name in parameters if name.startswith("student_")]
        teachers = [parameters[name.removeprefix("student_")] for name in students]
        torch._foreach_lerp_(teachers, [parameters[name] for name in students], weight)


def _scores(embeddings: Tensor, directions: nn.Linear) -> Tensor:
    """Cosines (V, N, P) of embeddings (V, N, K) and prototypes; a low temperature needs digits."""
    with full_precision(embeddings, directions.weight) as (embeddings, weight):
        return F.linear(F.normalize(embeddings, dim=-1), F.normalize(weight, dim=-1))


METHOD = DINO
