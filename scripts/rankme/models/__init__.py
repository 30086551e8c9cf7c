"""Encoders and projectors."""

from rankme.models.encoders import Encoder, build_encoder
from rankme.models.projector import Projector

__all__ = ["Encoder", "Projector", "build_encoder"]
