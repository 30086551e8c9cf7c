import ast
from pathlib import Path

import pytest
import torch

import rankme.methods
from rankme.augment import recipe
from rankme.errors import UserError
from rankme.methods import build_method, nt_xent, vicreg

SYNCHRONISING = {"aten::nonzero", "aten::item", "aten::_local_scalar_dense", "aten::masked_select"}
IMAGES = torch.randn(2, 6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.zeros(6, dtype=torch.int64)


def run(method: str = "SimCLR", **hyperparameters: float) -> dict:
    return {
        "method": method,
        "hyperparameters": hyperparameters,
        "encoder": {"name": "resnet10", "width": 4, "stem": "small"},
        "projector": {"widths": [16, 8]},
    }


def build(method: str = "SimCLR", **hyperparameters: float):
    torch.manual_seed(0)
    return build_method(run(method, **hyperparameters), image_size=8)


def literals(name: str) -> dict:
    """Top-level literals of a method's file, read without importing it."""
    folder = Path(rankme.methods.__file__).parent
    tree = ast.parse((folder / f"{name}.py").read_text())
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id in ("NAME", "HYPERPARAMETERS")
    }


def operators(function) -> set[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        function()
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize("file", ["simclr", "vicreg"])
def test_name_and_defaults_can_be_read_without_importing_the_method(file):
    declared = literals(file)
    method = build(declared["NAME"])
    for name, schema in declared["HYPERPARAMETERS"].items():
        assert getattr(method, name) == schema["default"]
        assert {"type", "description"} <= schema.keys()


def test_simclr_is_nt_xent_of_its_embeddings():
    method = build("SimCLR", temperature=0.3)
    z_a, z_b = method.projector(method.encoder(IMAGES.flatten(0, 1))).split(6)
    loss = method.loss(list(IMAGES), LABELS)
    torch.testing.assert_close(loss, nt_xent(z_a, z_b, 0.3))


def test_vicreg_is_the_vicreg_loss_of_its_embeddings():
    method = build("VICReg", invariance=2, variance=3, covariance=5)
    z_a, z_b = method.projector(method.encoder(IMAGES.flatten(0, 1))).split(6)
    loss = method.loss(list(IMAGES), LABELS)
    torch.testing.assert_close(loss, vicreg(z_a, z_b, 2, 3, 5))


@pytest.mark.parametrize("name", ["SimCLR", "VICReg"])
def test_gradient_steps_lower_the_loss(name):
    method = build(name)
    optimizer = torch.optim.SGD(method.parameters(), lr=1e-3)
    losses = []
    for _ in range(10):
        loss = method.loss(list(IMAGES), LABELS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_embedding_two_views_updates_batchnorm_once_over_both():
    method = build()
    method.embed(list(IMAGES))
    norm = method.encoder.bn1
    outputs = method.encoder.conv1(IMAGES.flatten(0, 1))
    assert norm.num_batches_tracked == 1
    torch.testing.assert_close(norm.running_mean, 0.1 * outputs.mean(dim=(0, 2, 3)))


def test_the_loss_under_autocast_is_float32():
    method = build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert method.embed(list(IMAGES))[0].dtype == torch.bfloat16
        assert method.loss(list(IMAGES), LABELS).dtype == torch.float32


@pytest.mark.parametrize("name", ["SimCLR", "VICReg"])
def test_a_training_step_never_waits_for_the_device(name):
    method = build(name)
    boolean_index = operators(lambda: IMAGES[IMAGES > 0])
    assert boolean_index & SYNCHRONISING, "the check would notice nothing"
    assert not operators(lambda: method.loss(list(IMAGES), LABELS).backward()) & SYNCHRONISING


def test_views_are_those_of_the_recipe():
    augmentation = {"recipe": "byol", "crop_scale": [0.2, 1.0]}
    assert build().views(32, augmentation) == recipe("byol", 32, (0.2, 1.0))


def test_the_seed_decides_the_weights():
    first, again = build(), build()
    other = build_method(run(), image_size=8)
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert not torch.equal(first.projector[0].weight, other.projector[0].weight)


def test_weights_are_stored_as_encoder_and_projector():
    assert {name.split(".")[0] for name in build().state_dict()} == {"encoder", "projector"}


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"'simclr' is not a method; choose SimCLR, VICReg"):
        build("simclr")


def test_an_unknown_hyperparameter_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"SimCLR has no 'tau'; it has temperature"):
        build("SimCLR", tau=0.1)
