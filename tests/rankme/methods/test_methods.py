import sys

import pytest
import torch

import rankme.methods
from rankme.augment import recipe
from rankme.errors import UserError
from rankme.methods import _METHODS, build_method, nt_xent, vicreg, vicreg_ctr, vicreg_exp
from rankme.study.choices import methods
from rankme.study.settings import Augmentation, Settings
from tests.rankme.methods.small import build, small_run

SYNCHRONISING = {"aten::nonzero", "aten::item", "aten::_local_scalar_dense", "aten::masked_select"}
IMAGES = torch.randn(2, 6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
AUGMENTATION = Augmentation(crop_scale=(0.2, 1.0))
WEIGHTS = {"invariance": 2, "variance": 3, "covariance": 5, "temperature": 0.3}
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
    ("name", "loss", "own"),
    [
        ("SimCLR", nt_xent, {"temperature": 0.3}),
        ("VICReg", vicreg, {"invariance": 2, "variance": 3, "covariance": 5}),
        ("VICReg-exp", vicreg_exp, WEIGHTS),
        ("VICReg-ctr", vicreg_ctr, WEIGHTS),
    ],
)
def test_a_method_of_two_views_is_its_loss_of_their_embeddings(name, loss, own):
    method = build(name, **own)
    z_a, z_b = method.projector(method.encoder(IMAGES.flatten(0, 1))).split(6)
    expected = loss(z_a, z_b, *own.values())
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
        build("Supervised", classes=classes)


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
    method = build("SimCLR")
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
    assert build("SimCLR").views(AUGMENTATION, 32) == recipe(AUGMENTATION, 32)


def test_the_seed_decides_the_weights():
    first, again = build("SimCLR"), build("SimCLR")
    other = build_method(small_run("SimCLR"), image_size=8)
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert not torch.equal(first.projector[0].weight, other.projector[0].weight)


def test_weights_are_stored_as_encoder_and_projector():
    assert {name.split(".")[0] for name in build("SimCLR").state_dict()} == {"encoder", "projector"}


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"'simclr' is not known, did you mean 'SimCLR'\?"):
        build("simclr")


def test_an_unknown_hyperparameter_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"tau: unknown key.* Allowed: temperature"):
        build("SimCLR", tau=0.1)
