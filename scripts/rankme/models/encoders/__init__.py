"""Encoders, one file a family.

A file offers the literal `NAMES`, a tuple of strings; `class Options(EncoderSettings)`, if it has
settings of its own; and `build(settings, image_size) -> Encoder`. Adding a family is adding a file.
"""

from importlib import import_module

from rankme.errors import UserError, unknown
from rankme.models.encoders.base import Encoder
from rankme.plugins import files
from rankme.study.settings import EncoderSettings

__all__ = ["Encoder", "build_encoder"]

_MODULES = [import_module(f"{__name__}.{name}") for name in files("models/encoders")]
_BUILDERS = {name: module.build for module in _MODULES for name in getattr(module, "NAMES", ())}


def build_encoder(settings: EncoderSettings, image_size: int) -> Encoder:
    """An untrained encoder, its weights drawn from torch's global generator.

    Args:
        settings: of the class of its own that the encoder's file may have.
        image_size: side of the square input images in pixels.

    Raises:
        UserError: there is no encoder of that name.
    """
    if settings.name not in _BUILDERS:
        raise UserError(unknown("encoder.name", settings.name, _BUILDERS))
    encoder: Encoder = _BUILDERS[settings.name](settings, image_size)
    return encoder
