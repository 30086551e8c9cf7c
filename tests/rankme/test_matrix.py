from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rankme.errors import UserError
from rankme.matrix import load_matrix

MATRIX = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8", "<i4", "u1"])
def test_a_npy_is_read_as_it_was_written(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "z.npy", MATRIX.astype(dtype))
    np.testing.assert_array_equal(load_matrix(tmp_path / "z.npy"), MATRIX)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_of_a_safetensors_a_single_tensor_or_the_named_one_is_read_as_it_was_written(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    file, tensor = tmp_path / "z.safetensors", torch.from_numpy(MATRIX).to(dtype)
    save_file({"z": tensor}, file)
    np.testing.assert_array_equal(load_matrix(file), MATRIX)
    save_file({"z": tensor, "y": torch.ones(2, 2)}, file)
    np.testing.assert_array_equal(load_matrix(file, "z"), MATRIX)
    with pytest.raises(UserError, match="give --key, one of y, z"):
        load_matrix(file)
    with pytest.raises(UserError, match="has no tensor 'x', only y, z"):
        load_matrix(file, "x")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"z\.npy: is not a whole array of numbers"):
        load_matrix(tmp_path / "z.npy")


@pytest.mark.parametrize("name", ["z.npy", "z.safetensors"])
def test_a_torn_file_is_a_users_error_and_a_missing_one_is_said_to_be_missing(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    with pytest.raises(FileNotFoundError, match=name):
        load_matrix(file)
    np.save(tmp_path / "z.npy", MATRIX)
    save_file({"z": torch.from_numpy(MATRIX)}, tmp_path / "z.safetensors")
    content = file.read_bytes()
    for kept in (0, 5, 90, -1):
        file.write_bytes(content[:kept])
        with pytest.raises(UserError, match=f"{name}: is not a whole"):
            load_matrix(file)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), r"has the shape \(3,\), expected N x K"),
        (np.ones((2, 3, 4)), r"has the shape \(2, 3, 4\), expected N x K"),
        (np.ones((0, 3)), r"has the shape \(0, 3\), expected N x K"),
        (np.array([["a"]]), "holds <U1, expected real numbers"),
        (np.ones((2, 2), complex), "holds complex128, expected real numbers"),
    ],
)
def test_what_is_no_matrix_of_real_numbers_is_refused(
    tmp_path: Path, array: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "z.npy", array)
    with pytest.raises(UserError, match=message):
        load_matrix(tmp_path / "z.npy")


def test_other_files_and_a_key_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"of an unknown kind, give one of \.npy, \.safetensors"):
        load_matrix(tmp_path / "z.pt")
    np.save(tmp_path / "z.npy", MATRIX)
    with pytest.raises(UserError, match="leave --key out"):
        load_matrix(tmp_path / "z.npy", "z")
