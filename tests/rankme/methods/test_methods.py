import sys

import pytest
import torch

import rankme.methods
from rankme.augment import recipe
from rankme.errors import UserError
from rankme.methods import _METHODS
from rankme.methods.base import TwoViews
from rankme.methods.gather import gather
from rankme.study.choices import methods
from rankme.study.settings import Augmentation, Settings
from tests.rankme.methods.small import build

SYNCHRONISING = {"aten::nonzero", "aten::item", "aten::_local_scalar_dense", "aten::masked_select"}
IMAGES = torch.randn(2, 6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
AUGMENTATION = Augmentation(crop_scale=(0.2, 1.0))
SETTINGS = {"temperature": 0.3, "invariance": 2, "variance": 3, "covariance": 5, "redundancy": 0.02}
TRAINED = [name for name, method in _METHODS.items() if method.trains]


def crops(method) -> list[torch.Tensor]:
    """A batch of what the method wants of six images."""
    generator = torch.Generator().manual_seed(0)
    sizes = [view.size for view in method.views(AUGMENTATION, 16)]
    return [torch.randn(6, 3, size, size, generator=generator) for size in sizes]


def operators(function) -> set[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        function()
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize("name", _METHODS)
def test_hyperparameters_are_read_without_importing_the_method_and_each_is_explained(name):
    declared = methods()[name].hyperparameters
    own = vars(sys.modules[_METHODS[name].__module__]).get("Hyperparameters", Settings)
    assert declared is not own or declared is Settings
    assert declared.model_json_schema() == own.model_json_schema()
    assert build(name).hyperparameters == declared()
    assert all(field.description for field in declared.model_fields.values())


@pytest.mark.parametrize(
    "name", [n for n, method in _METHODS.items() if issubclass(method, TwoViews)]
)
def test_a_method_of_two_views_is_its_loss_of_their_embeddings(name):
    known = methods()[name].hyperparameters.model_fields
    own = {key: value for key, value in SETTINGS.items() if key in known}
    method = build(name, **own)
    z_a, z_b = method.projector(method.encoder(IMAGES.flatten(0, 1))).split(6)
    expected = method.criterion(z_a, z_b, **own)
    torch.testing.assert_close(method.loss(list(IMAGES), LABELS), expected)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("SimCLR", "nt_xent"),
        ("VICReg", "vicreg"),
        ("VICReg-exp", "vicreg_exp"),
        ("VICReg-ctr", "vicreg_ctr"),
        ("DINO", "dino_loss"),
    ],
)
def test_the_loss_of_a_method_is_exported_under_its_own_name(name, loss):
    assert _METHODS[name].criterion is getattr(rankme.methods, loss)
    assert _METHODS[name].criterion.__name__ == loss
    assert loss in rankme.methods.__all__


def test_supervised_is_the_cross_entropy_of_its_classifier_on_both_views():
    method = build("Supervised")
    z = method.projector(method.encoder(IMAGES.flatten(0, 1)))
    logarithms = method.classifier(z).log_softmax(1)
    expected = -logarithms[torch.arange(12), LABELS.repeat(2)].mean()
    torch.testing.assert_close(method.loss(list(IMAGES), LABELS), expected)


@pytest.mark.parametrize("classes", [0, 1])
def test_supervised_refuses_a_source_without_one_label_of_several_an_image(classes):
    with pytest.raises(UserError, match="Supervised needs a source of at least two classes"):
        build("Supervised", classes=classes)


@pytest.mark.parametrize("name", TRAINED)
def test_gradient_steps_lower_the_loss(name):
    # DINO's centre stands still as its teacher does, so that the loss is the same function.
    method = build(name, **({"center_momentum": 1} if name == "DINO" else {}))
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
    method = build("SimCLR")
    method.embed(list(IMAGES))
    norm = method.encoder.bn1
    outputs = method.encoder.conv1(IMAGES.flatten(0, 1))
    assert norm.num_batches_tracked == 1
    torch.testing.assert_close(norm.running_mean, 0.1 * outputs.mean(dim=(0, 2, 3)))


@pytest.mark.parametrize("name", TRAINED)
def test_embeddings_loss_and_buffers_under_autocast_are_float32(name):
    method = build(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert method.encoder(IMAGES[0]).dtype == torch.bfloat16
        assert method.embed(list(IMAGES))[0].dtype == torch.float32
        assert method.loss(crops(method), LABELS).dtype == torch.float32
    floating = [buffer for buffer in method.buffers() if buffer.is_floating_point()]
    assert {buffer.dtype for buffer in floating} == {torch.float32}


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_step_never_waits_for_the_device(name):
    method = build(name)
    views = crops(method)
    boolean_index = operators(lambda: IMAGES[IMAGES > 0])
    assert boolean_index & SYNCHRONISING, "the check would notice nothing"
    assert not operators(lambda: method.loss(views, LABELS).backward()) & SYNCHRONISING
    assert not operators(lambda: method.after_step(1, 10)) & SYNCHRONISING


def test_views_are_those_of_the_recipe():
    assert build("SimCLR").views(AUGMENTATION, 32) == recipe(AUGMENTATION, 32)


def test_one_process_gathers_its_own_tensor():
    assert gather(IMAGES) is IMAGES
