"""Runs."""

from typing import Generic

from pydantic import SerializeAsAny
from typing_extensions import TypeVar

from rankme.study.datasets import Options, Source
from rankme.study.settings import Augmentation, EncoderSettings, Projector, Seed, Settings, Training

Own = TypeVar("Own", bound=Settings, default=Settings, covariant=True)
Encoder = TypeVar("Encoder", bound=EncoderSettings, default=EncoderSettings, covariant=True)


class RunSettings(Settings, Generic[Own, Encoder, Options]):
    """Everything that decides a run's weights.

    Made by `rankme.study.runs`, and from JSON by `rankme.study.identity.run_from_json`, which know
    the classes of the method, the encoder and the reader.
    """

    method: str
    hyperparameters: SerializeAsAny[Own]
    source: SerializeAsAny[Source[Options]]
    encoder: SerializeAsAny[Encoder]
    projector: Projector
    augmentation: Augmentation
    training: Training
    seed: Seed
