"""Self-supervised methods, one file a method.

A file offers the literals `NAME` and `HYPERPARAMETERS` (a JSON schema with a default for each),
which can be read without importing it; its loss as a pure function, `LOSS`, which this package
exports; and `METHOD`, a subclass of `Method`. `CONTROL = True` marks a method that is no
self-supervised one but a bound for them, `USES_LABELS = True` one that needs the source's labels.
Adding a method is adding a file.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from rankme.errors import UserError
from rankme.methods.base import Method
from rankme.models import build_encoder, build_projector

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
_METHODS = {module.NAME: module for module in _MODULES if hasattr(module, "NAME")}
_LOSSES = {m.LOSS.__name__: m.LOSS for m in _METHODS.values() if hasattr(m, "LOSS")}

globals().update(_LOSSES)
__all__ = ["Method", "build_method", *_LOSSES]


def build_method(run: Mapping[str, Any], image_size: int, classes: int = 0) -> Method:
    """The untrained method of a run, its weights drawn from torch's global generator.

    Args:
        run: "method" (a `NAME`), "hyperparameters" (those left out take their default),
            "encoder" and "projector" settings.
        image_size: side of the square training images in pixels.
        classes: of the source; 0 where an image may have several labels.

    Raises:
        UserError: an unknown method, hyperparameter or encoder, or a method that needs labels
            where the source has none that fit.
    """
    name, values = run["method"], run["hyperparameters"]
    if name not in _METHODS:
        raise UserError(f"method: {name!r} is not a method; choose {', '.join(_METHODS)}")
    known = _METHODS[name].HYPERPARAMETERS
    for key in values:
        if key not in known:
            has = ", ".join(known) or "none"
            raise UserError(f"hyperparameters: {name} has no {key!r}; it has {has}")
    defaults = {key: schema["default"] for key, schema in known.items()}
    encoder = build_encoder(run["encoder"], image_size)
    projector = build_projector(encoder.dimension, run["projector"]["widths"])
    return _METHODS[name].METHOD(encoder, projector, defaults | dict(values), classes)
