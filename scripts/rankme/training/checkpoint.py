"""Checkpoints that survive a kill at any moment.

A failing disk or node can leave the newest file torn, so two generations are kept: CHECKPOINT and,
before it, CHECKPOINT.previous. A new one is written whole as CHECKPOINT.next before another is
touched, so a kill between two renames loses nothing either. A file counts only if its digest fits
its tensors and if it belongs to this very run on this very dataset.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from rankme.artefacts import load_tensors, read_metadata, save_model, weights_digest
from rankme.errors import UserError

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

    def save(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
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

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors (on the CPU) and progress of the newest good generation; None without one."""
        for path in _generations(self.folder):
            if not path.exists():
                continue
            try:
                return self._read(path)
            except (UserError, ValueError) as error:
                logger.warning("checkpoint refused: %s", error)
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
        path.with_name(f".{path.name}.partial").unlink(missing_ok=True)


def _generations(folder: Path) -> tuple[Path, Path, Path]:
    """Newest first; the first exists only while one is written, or after a kill just then."""
    current = folder / CHECKPOINT
    return current.with_suffix(".next"), current, current.with_suffix(".previous")
