"""The learning rate as a closed-form function of the step, and a run's course in steps."""

import logging
import math
from dataclasses import dataclass

from rankme.errors import UserError
from rankme.study.settings import Training

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """A run's course: steps are counted over the whole run, from 0.

    Attributes:
        epochs: passes over the data.
        batch_size: images a step; what is left of an epoch after whole batches is dropped.
        epoch_steps: steps an epoch.
        warmup_steps: steps before the peak.
        peak: the highest learning rate: `lr`, times batch / 256 where `scale_lr` is set.
        final_fraction: learning rate of the last step as a fraction of the peak.
    """

    epochs: int
    batch_size: int
    epoch_steps: int
    warmup_steps: int
    peak: float
    final_fraction: float

    @classmethod
    def of(cls, training: Training, images: int) -> "Schedule":
        """The course that a run takes on that many images.

        Raises:
            UserError: there are fewer images than a batch takes.
        """
        epochs, batch_size = training.epochs, training.batch_size
        epoch_steps = images // batch_size
        if epoch_steps == 0:
            raise UserError(
                f"training.batch_size: {batch_size} is more than the {images} training images; "
                f"choose at most {images}"
            )
        if epochs <= training.warmup_epochs:
            logger.warning("the learning rate never peaks: all %d epochs are warm-up", epochs)
        warmup_steps = round(training.warmup_epochs * epoch_steps)
        peak = training.lr * (batch_size / 256 if training.scale_lr else 1.0)
        return cls(epochs, batch_size, epoch_steps, warmup_steps, peak, training.final_lr_fraction)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.epoch_steps

    def rate(self, step: int) -> float:
        """The learning rate of a step: linear warm-up to the peak, then half a cosine down.

        The shape is that of VICReg's official training (Bardes et al., ICLR 2022). There the first
        step has rate 0 and the last does not quite reach the final rate; here no step is wasted and
        both ends are exact: step 0 has `peak / (warmup_steps + 1)`, step `warmup_steps` has `peak`,
        step `steps - 1` has `final_fraction * peak`.
        """
        if step < self.warmup_steps:
            return self.peak * (step + 1) / (self.warmup_steps + 1)
        progress = (step - self.warmup_steps) / max(1, self.steps - 1 - self.warmup_steps)
        cosine = (1 + math.cos(math.pi * progress)) / 2
        return self.peak * (self.final_fraction + (1 - self.final_fraction) * cosine)
