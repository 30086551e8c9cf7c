"""Matrices of embeddings that were made elsewhere, read without unpickling."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from rankme.errors import UserError


def load_matrix(path: Path, key: str | None = None) -> np.ndarray:
    """A matrix N x K of real numbers; a .npy is mapped from disk, not read.

    Args:
        path: a .npy or .safetensors file.
        key: name of the tensor in a .safetensors file that holds several.

    Raises:
        UserError: the file is missing, torn or of another kind, the key is missing or wrong, or
            what it names is no matrix of real numbers.
    """
    readers = {".npy": _npy_array, ".safetensors": _safetensors_array}
    if path.suffix not in readers:
        raise UserError(f"{path}: is of an unknown kind, give one of {', '.join(readers)}")
    matrix = readers[path.suffix](path, key)
    if matrix.dtype.kind not in "fiu":
        raise UserError(f"{path}: holds {matrix.dtype}, expected real numbers")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise UserError(f"{path}: has the shape {matrix.shape}, expected N x K: a row an image")
    return matrix


def _npy_array(path: Path, key: str | None) -> np.ndarray:
    if key is not None:
        raise UserError(f"{path}: holds one array, without a name; leave --key out")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: is not a whole array of numbers ({error})") from error


def _safetensors_array(path: Path, key: str | None) -> np.ndarray:
    try:
        with safe_open(path, framework="np") as stream:
            names = list(stream.keys())
            if key is None and len(names) > 1:
                raise UserError(f"{path}: give --key, one of {', '.join(names)}")
            if not names or key not in (None, *names):
                raise UserError(f"{path}: has no tensor {key!r}, only {', '.join(names) or 'none'}")
            name = key or names[0]
            try:
                return stream.get_tensor(name)
            except TypeError:  # bfloat16 and the 8-bit kinds, which numpy lacks
                with safe_open(path, framework="pt") as tensors:
                    return tensors.get_tensor(name).float().numpy()
    except SafetensorError as error:
        raise UserError(f"{path}: is not a whole safetensors file ({error})") from error
