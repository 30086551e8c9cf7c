"""PRETRAINED_MODEL as an encoder and a projector again."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from rankme.artefacts import save_model, weights_digest
from rankme.errors import UserError
from rankme.models.pretrained import load_encoder
from rankme.study.identity import plain
from tests.rankme.methods.small import build, small_run

NORMALISATION = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}
IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def saved(path: Path, tensors: dict[str, Tensor], digest: str = "") -> Path:
    metadata = {
        "artefact": "PRETRAINED_MODEL",
        "run": plain(small_run("SimCLR", temperature=0.3)),
        "status": "completed",
        "image_size": 8,
        "normalisation": NORMALISATION,
        "weights_sha256": digest or weights_digest(tensors),
    }
    save_model(path, tensors, metadata)
    return path


def test_a_saved_model_comes_back_frozen_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    method = build("SimCLR")
    method.embed([IMAGES, -IMAGES])  # BatchNorm's statistics are no longer those of the start.
    method.eval()
    model = load_encoder(saved(tmp_path / "M", method.state_dict()))
    assert torch.equal(
        model.projector(model.encoder(IMAGES)), method.projector(method.encoder(IMAGES))
    )
    assert not any(part.training for part in (model.encoder, model.projector))
    assert not any(
        p.requires_grad for p in (*model.encoder.parameters(), *model.projector.parameters())
    )
    assert model.run == small_run("SimCLR", temperature=0.3)
    assert (model.image_size, model.normalisation, model.status) == (8, NORMALISATION, "completed")
    assert model.digest == weights_digest(method.state_dict())


def test_weights_that_do_not_fit_or_have_changed_are_refused(tmp_path: Path) -> None:
    tensors = build("SimCLR").state_dict()
    lacking = {name: tensor for name, tensor in tensors.items() if "conv1" not in name}
    with pytest.raises(UserError, match="M: its tensors do not fit its settings"):
        load_encoder(saved(tmp_path / "M", lacking))
    with pytest.raises(UserError, match="M: its weights are not those it was written with; remake"):
        load_encoder(saved(tmp_path / "M", tensors, digest="0" * 64))
