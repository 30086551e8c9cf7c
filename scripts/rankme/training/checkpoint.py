"""Checkpoints that survive a kill at any moment.

A failing disk or node can leave the newest file torn, so two generations are kept: CHECKPOINT and,
before it, CHECKPOINT.previous. A new one is written whole as CHECKPOINT.next before another is
touched, so a kill between two renames loses nothing either. A file counts only if its digest fits
its tensors and if it belongs to this very run on this very dataset.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rankme.artefacts import load_tensors, read_metadata, save_model, weights_digest
from rankme.errors import UserError
from rankme.files import remove_leftovers

logger = logging.getLogger(__name__)

CHECKPOINT = "CHECKPOINT"


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of one run in its folder.

    Attributes:
        folder: where they lie.
        identity: plain JSON values that tell this run from all others.
    """

    folder: Path
    identity: dict[str, Any]

    def save(self, tensors: Mapping[str, Tensor], progress: dict[str, Any]) -> None:
        """Write a new generation; `progress` holds plain JSON values."""
        stored = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
        metadata = {
            "artefact": CHECKPOINT,
            "identity": self.identity,
            "progress": progress,
            "sha256": weights_digest(stored),
        }
        coming, current, previous = _generations(self.folder)
        save_model(coming, stored, metadata)
        if current.exists():
            os.replace(current, previous)
        os.replace(coming, current)

    def load(self, tensors: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Overwrite tensors by the newest good generation; its progress, or None without one.

        Raises:
            UserError: it has other tensors.
        """
        for path in filter(Path.exists, _generations(self.folder)):
            try:
                stored, progress = self._read(path)
            except (UserError, ValueError) as error:
                logger.warning("checkpoint refused: %s", error)
                continue
            if stored.keys() != tensors.keys():
                raise UserError(
                    f"{path}: was written by other code and does not fit; delete it to start anew,"
                    " or go on with the code that wrote it"
                )
            copy_into(tensors, stored)
            return progress
        return None

    def _read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        metadata = read_metadata(path, CHECKPOINT)
        owner = metadata.get("identity", {})
        if differing := [key for key, value in self.identity.items() if owner.get(key) != value]:
            raise UserError(f"{path}: belongs to another {' and '.join(differing)}")
        tensors = load_tensors(path)
        if weights_digest(tensors) != metadata["sha256"]:
            raise UserError(f"{path}: its tensors are not those it was written with")
        return tensors, metadata["progress"]


def remove_checkpoints(folder: Path) -> None:
    """Delete all generations in a folder, and what a kill in the midst of writing one left."""
    for path in _generations(folder):
        path.unlink(missing_ok=True)
        remove_leftovers(path)


def copy_into(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> None:
    """Overwrite each target by the source of its name, whatever their devices and formats."""
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(sources[name])


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with `<prefix>.` before each name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _generations(folder: Path) -> tuple[Path, Path, Path]:
    """Newest first; the first exists only while one is written, or after a kill just then."""
    current = folder / CHECKPOINT
    return current.with_suffix(".next"), current, current.with_suffix(".previous")
