import pytest
import torch
import torchvision
from torch import nn

from rankme.errors import UserError
from rankme.models import build_encoder
from rankme.models.encoders import resnet
from rankme.study.choices import encoders
from rankme.study.settings import EncoderSettings


def build(name="resnet10", width=8, stem="auto", image_size=32):
    torch.manual_seed(0)
    return build_encoder(EncoderSettings(name=name, width=width, stem=stem), image_size)


def oracle(name: str) -> nn.Module:
    """torchvision's network without its classifier, its BatchNorms away from their start.

    Of resnet10, which it lacks, resnet18 with one block a stage.
    """
    torch.manual_seed(1)
    network = torchvision.models.get_model("resnet18" if name == "resnet10" else name)
    network.fc = nn.Identity()
    if name == "resnet10":
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            del stage[1]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
    return network


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", resnet.NAMES)
def test_imagenet_stem_is_torchvisions_network_in_value_and_gradient(name, training):
    expected = oracle(name).train(training)
    encoder = build(name, width=64, stem="imagenet").train(training)
    encoder.load_state_dict(expected.state_dict())
    images = torch.randn(4, 3, 64, 64)
    outputs = encoder(images), expected(images)
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-4)
    for output in outputs:
        output.square().mean().backward()
    mine, theirs = encoder.conv1.weight.grad, expected.conv1.weight.grad
    torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_initial_weights_are_distributed_as_torchvisions(name):
    ours = build(name, width=64, stem="imagenet").state_dict()
    for key, value in torchvision.models.get_model(name).state_dict().items():
        if value.ndim == 4:
            tolerance = 0.02 if value.numel() > 100_000 else 0.1
            assert float(ours[key].std() / value.std()) == pytest.approx(1, abs=tolerance), key
        elif "bn" in key:
            assert torch.equal(ours[key], value), key


@pytest.mark.parametrize(
    ("stem", "side", "kernel"), [("small", 64, 3), ("stride2", 32, 3), ("imagenet", 16, 7)]
)
def test_stems_divide_the_side_by_one_two_and_four(stem, side, kernel):
    encoder = build(stem=stem)
    images = torch.randn(1, 3, 64, 64)
    assert encoder.pool(encoder.conv1(images)).shape == (1, 8, side, side)
    assert encoder.conv1.kernel_size == (kernel, kernel)


@pytest.mark.parametrize(("image_size", "stem"), [(32, "small"), (64, "small"), (65, "imagenet")])
def test_auto_stem_is_small_up_to_64_pixels(image_size, stem):
    chosen, expected = build(stem="auto", image_size=image_size), build(stem=stem)
    assert str(chosen) == str(expected)


def test_the_seed_decides_the_weights():
    first, again = build(), build()
    torch.manual_seed(1)
    other = build_encoder(EncoderSettings(name="resnet10", width=8), 32)
    assert torch.equal(first.conv1.weight, again.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


@pytest.mark.parametrize("stem", ["auto", "small", "stride2", "imagenet"])
@pytest.mark.parametrize("name", encoders())
def test_every_encoder_that_a_study_may_name_has_the_stated_dimension(name, stem):
    encoder = build(name, stem=stem).eval()
    assert encoder(torch.randn(2, 3, 32, 32)).shape == (2, encoder.dimension)


def test_an_unknown_encoder_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"'vgg'.*resnet10, resnet18, resnet34, resnet50"):
        build("vgg")


@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_strided_convolution_has_its_gradient_in_bfloat16_down_to_one_pixel(kernel, side):
    """oneDNN's own of one pixel, with a stride, is memory that nobody wrote."""
    torch.manual_seed(0)
    convolution = resnet._Convolution(32, 64, kernel, stride=2)
    images = torch.randn(16, 32, side, side)
    plain = torch.nn.functional.conv2d(
        images.double(), convolution.weight.double(), stride=2, padding=kernel // 2
    )
    (expected,) = torch.autograd.grad(plain.square().sum(), convolution.weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = convolution(images)
    torch.testing.assert_close(outputs.double(), plain, rtol=0.03, atol=0.03)
    (gradient,) = torch.autograd.grad(outputs.double().square().sum(), convolution.weight)
    assert float((gradient - expected).norm() / expected.norm()) < 0.02
