import ast
from pathlib import Path

import pytest
import torch

import rankme.methods
from rankme.augment import recipe
from rankme.errors import UserError
from rankme.methods import _METHODS, build_method, nt_xent, vicreg, vicreg_ctr, vicreg_exp

SYNCHRONISING = {"aten::nonzero", "aten::item", "aten::_local_scalar_dense", "aten::masked_select"}
IMAGES = torch.randn(2, 6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
FOLDER = Path(rankme.methods.__file__).parent
AUGMENTATION = {"recipe": "byol", "crop_scale": [0.2, 1.0]}
TRAINED = [name for name, module in _METHODS.items() if module.METHOD.trains]


def run(method: str = "SimCLR", **hyperparameters: float) -> dict:
    return {
        "method": method,
        "hyperparameters": hyperparameters,
        "encoder": {"name": "resnet10", "width": 4, "stem": "small"},
        "projector": {"widths": [16, 8]},
    }


def build(method: str = "SimCLR", **hyperparameters: float):
    torch.manual_seed(0)
    return build_method(run(method, **hyperparameters), image_size=8, classes=3)


def literals(file: Path) -> dict:
    """Top-level literals of a method's file, read without importing it."""
    found = {}
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if target.id in ("NAME", "HYPERPARAMETERS"):
                found[target.id] = ast.literal_eval(node.value)
    return found


def crops(method) -> list[torch.Tensor]:
    """A batch of what the method wants of six images."""
    generator = torch.Generator().manual_seed(0)
    sizes = [view.size for view in method.views(16, AUGMENTATION)]
    return [torch.randn(6, 3, size, size, generator=generator) for size in sizes]


def operators(function) -> set[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        function()
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_name_and_defaults_can_be_read_without_importing_the_method(file):
    declared = literals(file)
    if "NAME" not in declared:
        return
    method = build(declared["NAME"])
    for name, schema in declared["HYPERPARAMETERS"].items():
        assert getattr(method, name) == schema["default"]
        assert {"type", "description"} <= schema.keys()


def test_simclr_is_nt_xent_of_its_embeddings():
    method = build("SimCLR", temperature=0.3)
    z_a, z_b = method.projector(method.encoder(IMAGES.flatten(0, 1))).split(6)
    loss = method.loss(list(IMAGES), LABELS)
    torch.testing.assert_close(loss, nt_xent(z_a, z_b, 0.3))


@pytest.mark.parametrize(("name", "loss"), [("VICReg-exp", vicreg_exp), ("VICReg-ctr", vicreg_ctr)])
def test_exp_and_ctr_are_their_losses_of_their_embeddings(name, loss):
    weights = {"invariance": 2, "variance": 3, "covariance": 5, "temperature": 0.3}
    method = build(name, **weights)
    z_a, z_b = method.projector(method.encoder(IMAGES.flatten(0, 1))).split(6)
    expected = loss(z_a, z_b, 2, 3, 5, 0.3)
    torch.testing.assert_close(method.loss(list(IMAGES), LABELS), expected)


def test_supervised_is_the_cross_entropy_of_its_classifier_on_both_views():
    method = build("Supervised")
    z = method.projector(method.encoder(IMAGES.flatten(0, 1)))
    logarithms = method.classifier(z).log_softmax(1)
    expected = -logarithms[torch.arange(12), LABELS.repeat(2)].mean()
    torch.testing.assert_close(method.loss(list(IMAGES), LABELS), expected)


@pytest.mark.parametrize("classes", [0, 1])
def test_supervised_refuses_a_source_without_one_label_of_several_an_image(classes):
    with pytest.raises(UserError, match="Supervised needs a source of at least two classes"):
        build_method(run("Supervised"), image_size=8, classes=classes)


def test_vicreg_is_the_vicreg_loss_of_its_embeddings():
    method = build("VICReg", invariance=2, variance=3, covariance=5)
    z_a, z_b = method.projector(method.encoder(IMAGES.flatten(0, 1))).split(6)
    loss = method.loss(list(IMAGES), LABELS)
    torch.testing.assert_close(loss, vicreg(z_a, z_b, 2, 3, 5))


@pytest.mark.parametrize("name", [name for name in TRAINED if name != "DINO"])
def test_gradient_steps_lower_the_loss(name):
    method = build(name)
    views = crops(method)
    optimizer = torch.optim.SGD(method.parameters(), lr=1e-3)
    losses = []
    for _ in range(10):
        loss = method.loss(views, LABELS)
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


@pytest.mark.parametrize("name", TRAINED)
def test_embeddings_and_loss_under_autocast_are_float32(name):
    method = build(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert method.encoder(IMAGES[0]).dtype == torch.bfloat16
        assert method.embed(list(IMAGES))[0].dtype == torch.float32
        assert method.loss(crops(method), LABELS).dtype == torch.float32


def test_losses_are_found_and_exported_under_their_own_names():
    losses = {"nt_xent", "vicreg", "vicreg_exp", "vicreg_ctr", "dino_loss"}
    assert losses < set(rankme.methods.__all__)
    for name in losses:
        assert getattr(rankme.methods, name).__name__ == name


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_step_never_waits_for_the_device(name):
    method = build(name)
    views = crops(method)
    boolean_index = operators(lambda: IMAGES[IMAGES > 0])
    assert boolean_index & SYNCHRONISING, "the check would notice nothing"
    assert not operators(lambda: method.loss(views, LABELS).backward()) & SYNCHRONISING
    assert not operators(lambda: method.after_step(1, 10)) & SYNCHRONISING


def test_views_are_those_of_the_recipe():
    assert build().views(32, AUGMENTATION) == recipe("byol", 32, (0.2, 1.0))


def test_the_seed_decides_the_weights():
    first, again = build(), build()
    other = build_method(run(), image_size=8)
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert not torch.equal(first.projector[0].weight, other.projector[0].weight)


def test_weights_are_stored_as_encoder_and_projector():
    assert {name.split(".")[0] for name in build().state_dict()} == {"encoder", "projector"}


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"'simclr' is not a method; choose .*SimCLR, "):
        build("simclr")


def test_an_unknown_hyperparameter_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"SimCLR has no 'tau'; it has temperature"):
        build("SimCLR", tau=0.1)
