"""Results on disk: what goes in comes out, and what is not whole or not ours is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rankme.artefacts import (
    load_arrays,
    load_tensors,
    read_metadata,
    read_record,
    save_model,
    save_record,
    weights_digest,
)
from rankme.errors import UserError
from rankme.provenance import SCRIPTS, provenance

TENSORS = {"b": torch.arange(6.0).view(2, 3), "a": torch.tensor(3)}


def test_tensors_and_metadata_come_back_as_they_were(tmp_path: Path) -> None:
    save_model(tmp_path / "M", TENSORS, {"artefact": "PRETRAINED_MODEL", "run": {"lr": 0.1}})
    loaded = load_tensors(tmp_path / "M")
    assert loaded.keys() == TENSORS.keys()
    assert all(torch.equal(loaded[name], TENSORS[name]) for name in TENSORS)
    assert np.array_equal(load_arrays(tmp_path / "M")["b"], TENSORS["b"].numpy())
    assert read_metadata(tmp_path / "M", "PRETRAINED_MODEL")["run"] == {"lr": 0.1}


@pytest.mark.parametrize("length", [0, 4, 50, -1])
def test_a_truncated_model_is_named_with_the_remedy(tmp_path: Path, length: int) -> None:
    file = tmp_path / "PRETRAINED_MODEL"
    save_model(file, TENSORS, {"artefact": "PRETRAINED_MODEL"})
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(UserError, match=r"_MODEL: is not a whole safetensors file.*delet"):
        load_tensors(file)


def test_a_model_of_another_kind_or_program_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "M", TENSORS, {"artefact": "FINETUNED_MODEL"})
    with pytest.raises(UserError, match=r"is a FINETUNED_MODEL of format 1, expected a PRETRAINED"):
        read_metadata(tmp_path / "M", "PRETRAINED_MODEL")
    save_file(TENSORS, tmp_path / "foreign")
    with pytest.raises(UserError, match="is a foreign file"):
        read_metadata(tmp_path / "foreign", "PRETRAINED_MODEL")


def test_a_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    save_record(tmp_path / "R", {"artefact": "ACCURACY", "top1": 0.5})
    assert read_record(tmp_path / "R", "ACCURACY")["top1"] == 0.5
    with pytest.raises(UserError, match="is a ACCURACY of format 1, expected a RANKME_EVAL"):
        read_record(tmp_path / "R", "RANKME_EVAL")


def test_the_digest_of_weights_depends_on_names_shapes_and_values_not_on_order() -> None:
    digest = weights_digest(TENSORS)
    assert weights_digest(dict(reversed(TENSORS.items()))) == digest
    assert weights_digest({name: t.numpy() for name, t in TENSORS.items()}) == digest
    assert weights_digest({**TENSORS, "b": TENSORS["b"].view(3, 2)}) != digest
    assert weights_digest({**TENSORS, "b": TENSORS["b"] + 1}) != digest
    assert weights_digest({"c": TENSORS["b"], "a": TENSORS["a"]}) != digest


def test_provenance_names_code_versions_seed_and_device() -> None:
    record = provenance(seed=3, device="cpu", seconds=1.23456, data="abc")
    assert record["seed"] == 3
    assert record["seconds"] == 1.235
    assert record["data"] == "abc"
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert "rankme/provenance.py" in record["code"]
    assert all((SCRIPTS / file).exists() for file in record["code"])
