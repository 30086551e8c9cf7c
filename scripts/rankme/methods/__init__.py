"""Self-supervised methods, one file a method.

A file offers the literal `NAME`; `class Hyperparameters(Settings)`, if it has some; and `METHOD`, a
subclass of `Method`, whose `criterion`, a loss as a pure function, this package exports. `CONTROL =
True` marks a method that is no self-supervised one but a bound for them, `USES_LABELS = True` one
that needs the source's labels. Adding a method is adding a file.
"""

from importlib import import_module

from rankme.methods.base import Method
from rankme.models import Projector, build_encoder
from rankme.plugins import files
from rankme.study.runs import RunSettings

_MODULES = [import_module(f"{__name__}.{name}") for name in files("methods")]
_METHODS: dict[str, type[Method]] = {m.NAME: m.METHOD for m in _MODULES if hasattr(m, "NAME")}
_LOSSES = {m.criterion.__name__: m.criterion for m in _METHODS.values() if hasattr(m, "criterion")}

globals().update(_LOSSES)
__all__ = ["Method", "build_method", *_LOSSES]


def build_method(run: RunSettings, image_size: int, classes: int = 0) -> Method:
    """The untrained method of a run, its weights drawn from torch's global generator.

    Args:
        run: names the method, its hyperparameters, the encoder and the projector.
        image_size: side of the square training images in pixels.
        classes: of the source; 0 where an image may have several labels.

    Raises:
        UserError: a method that needs labels where the source has none that fit.
    """
    encoder = build_encoder(run.encoder, image_size)
    projector = Projector(encoder.dimension, run.projector.widths)
    return _METHODS[run.method](encoder, projector, run.hyperparameters, classes)
