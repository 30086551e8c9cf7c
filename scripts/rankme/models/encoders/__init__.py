"""Encoders, one file a family.

A file offers the literal `NAMES`, a tuple of strings; the literal `SETTINGS`, if it has settings of
its own (a JSON schema with a default for each), both read without importing it; and
`build(name=..., image_size=..., **settings) -> Encoder`. Adding a family is adding a file.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from rankme.errors import UserError
from rankme.models.encoders.base import Encoder

__all__ = ["Encoder", "build_encoder"]

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
_BUILDERS = {name: module.build for module in _MODULES for name in getattr(module, "NAMES", ())}


def build_encoder(settings: Mapping[str, Any], image_size: int) -> Encoder:
    """An untrained encoder, its weights drawn from torch's global generator.

    Args:
        settings: "name" and whatever the encoder's `build` takes, e.g.
            {"name": "resnet18", "width": 64, "stem": "auto"}.
        image_size: side of the square input images in pixels.

    Raises:
        UserError: an unknown name or setting.
    """
    name = settings["name"]
    if name not in _BUILDERS:
        raise UserError(f"encoder.name: {name!r} is not an encoder; choose {', '.join(_BUILDERS)}")
    return _BUILDERS[name](**settings, image_size=image_size)
