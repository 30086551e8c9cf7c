"""The only code that reads and writes PRETRAINED_MODEL, RANKME_EVAL, FINETUNED_MODEL and ACCURACY.

Models are safetensors files with one JSON object as metadata, records are JSON. Each is written
whole or not at all, names its kind and what made it, and is loaded without unpickling.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from rankme.errors import UserError
from rankme.files import read_json, write_bytes, write_json
from rankme.provenance import provenance as provenance

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rankme.probes.classifier import Classifier

FORMAT = 1
_METADATA_KEY = "rankme"


@dataclass(frozen=True)
class PretrainedModel:
    """An encoder and its projector in eval mode, with all that is known of them."""

    encoder: "nn.Module"
    projector: "nn.Module"
    metadata: dict[str, Any]
    digest: str


def save_model(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, Any]) -> None:
    """Write tensors and metadata (plain JSON values with an "artefact" key) as safetensors."""
    from safetensors.torch import save

    # Copies: safetensors refuses tensors that share memory.
    stored = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    header = json.dumps({**metadata, "format": FORMAT}, allow_nan=False)
    write_bytes(path, save(stored, metadata={_METADATA_KEY: header}))


def read_metadata(path: Path, artefact: str) -> dict[str, Any]:
    """The metadata of a model file, read from its header alone.

    Raises:
        UserError: the file is missing, torn or of another kind.
    """
    with _opened(path) as stream:
        header = stream.metadata() or {}
    return _checked(path, json.loads(header.get(_METADATA_KEY, "{}")), artefact)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a model file as numpy arrays."""
    return _load(path, "np")


def load_tensors(path: Path) -> dict[str, "Tensor"]:
    """All tensors of a model file, on the CPU."""
    return _load(path, "pt")


def save_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON result; `record` holds an "artefact" key."""
    write_json(path, {"artefact": record["artefact"], "format": FORMAT, **record})


def read_record(path: Path, artefact: str) -> dict[str, Any]:
    """Read a JSON result.

    Raises:
        UserError: the file is missing, not valid JSON or of another kind.
    """
    return _checked(path, read_json(path), artefact)


def weights_digest(tensors: Mapping[str, "Tensor | np.ndarray"]) -> str:
    """SHA-256 over names, shapes, dtypes and bytes, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        array = value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()
        digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def load_encoder(path: Path) -> PretrainedModel:
    """Rebuild encoder and projector of a PRETRAINED_MODEL, in eval mode on the CPU.

    Raises:
        UserError: the file is missing, torn, of another kind, or its weights do not fit it.
    """
    from rankme.models import build_encoder, build_projector

    metadata, tensors = read_metadata(path, "PRETRAINED_MODEL"), load_tensors(path)
    run = metadata["run"]
    encoder = build_encoder(run["encoder"], metadata["image_size"])
    projector = build_projector(encoder.dimension, run["projector"]["widths"])
    for module, prefix in ((encoder, "encoder."), (projector, "projector.")):
        part = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        try:
            module.load_state_dict(part)
        except RuntimeError as error:
            raise UserError(f"{path}: its tensors do not fit its settings ({error})") from error
        module.eval().requires_grad_(False)
    digest = weights_digest(tensors)
    if digest != metadata["weights_sha256"]:
        raise UserError(f"{path}: its weights are not those it was written with; remake the file")
    return PretrainedModel(encoder, projector, metadata, digest)


def load_classifier(path: Path, encoder: Path | None = None) -> "Classifier":
    """The encoder and the linear head of a FINETUNED_MODEL as one module, in eval mode on the CPU.

    Args:
        path: a FINETUNED_MODEL.
        encoder: its PRETRAINED_MODEL; if not given, the one in the folder above, as in the results
            tree.

    Raises:
        UserError: a file is missing, torn or of another kind, or the encoder is not the one that
            the head was fitted on.
    """
    from rankme.probes.classifier import Classifier

    path = Path(path)
    metadata, head = read_metadata(path, "FINETUNED_MODEL"), load_tensors(path)
    encoder = Path(encoder) if encoder else path.absolute().parents[1] / "PRETRAINED_MODEL"
    model = load_encoder(encoder)
    if model.digest != metadata["encoder_sha256"]:
        raise UserError(
            f"{path}: was fitted on the encoder {metadata['encoder_sha256']}, but {encoder} holds "
            f"{model.digest}; fit the head again, or give the encoder it was fitted on"
        )
    size, normalisation = model.metadata["image_size"], model.metadata["normalisation"]
    return Classifier(model.encoder, head, size, normalisation, metadata["classes"]).eval()


def _load(path: Path, framework: str) -> dict[str, Any]:
    with _opened(path, framework) as stream:
        names = stream.keys()
        return {name: stream.get_tensor(name) for name in names}


def _opened(path: Path, framework: str = "np") -> Any:
    try:
        return safe_open(path, framework=framework)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path}: is not a whole safetensors file ({error}); "
            "delete it and run snakemake again to remake it"
        ) from error


def _checked(path: Path, record: dict[str, Any], artefact: str) -> dict[str, Any]:
    kind, version = record.get("artefact"), record.get("format")
    if kind != artefact or version != FORMAT:
        raise UserError(
            f"{path}: is a {kind or 'foreign file'} of format {version}, "
            f"expected a {artefact} of format {FORMAT}"
        )
    return record
