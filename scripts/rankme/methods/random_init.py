"""A negative control: an encoder as it was initialised. What it can do, no method has taught it."""

from rankme.methods.base import Method

NAME = "RandomInit"
CONTROL = True


class RandomInit(Method):
    """Encoder and projector of the run's seed, with not a step of training."""

    trains = False


METHOD = RandomInit
