"""The learning rate as a closed-form function of the step, and a run's course in steps."""

import logging
import math
from dataclasses import dataclass

from rankme.errors import UserError
from rankme.study.settings import Training

logger = logging.getLogger(__name__)

_REFERENCE_BATCH = 256


def learning_rate(
    step: int, *, steps: int, warmup_steps: int, peak: float, final_fraction: float = 0.001
) -> float:
    """Linear warm-up to `peak`, then half a cosine down to `final_fraction * peak`.

    The shape is that of VICReg's official training (Bardes et al., ICLR 2022). There the first step
    has rate 0 and the last does not quite reach the final rate; here no step is wasted and both
    ends are exact: step 0 has `peak / (warmup_steps + 1)`, step `warmup_steps` has `peak`, step
    `steps - 1` has `final_fraction * peak`.

    Args:
        step: the step about to be taken, 0 to `steps - 1`.
        steps: steps of the whole run.
        warmup_steps: steps before the peak.
        peak: the highest rate.
        final_fraction: rate of the last step as a fraction of the peak.
    """
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return peak * (final_fraction + (1 - final_fraction) * cosine)


def peak_rate(training: Training) -> float:
    """The highest learning rate: `lr`, times batch / 256 where `scale_lr` is set."""
    scale = training.batch_size / _REFERENCE_BATCH if training.scale_lr else 1.0
    return training.lr * scale


@dataclass(frozen=True)
class Schedule:
    """A run's course: steps are counted over the whole run, from 0.

    Attributes:
        epochs: passes over the data.
        batch_size: images a step; what is left of an epoch after whole batches is dropped.
        epoch_steps: steps an epoch.
        warmup_steps: steps before the peak.
        peak: the highest learning rate.
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
        return cls(
            epochs=epochs,
            batch_size=batch_size,
            epoch_steps=epoch_steps,
            warmup_steps=round(training.warmup_epochs * epoch_steps),
            peak=peak_rate(training),
            final_fraction=training.final_lr_fraction,
        )

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.epoch_steps

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return learning_rate(
            step,
            steps=self.steps,
            warmup_steps=self.warmup_steps,
            peak=self.peak,
            final_fraction=self.final_fraction,
        )
