"""Drawn parameters against the distributions of torchvision's own transforms."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import ColorJitter, RandomResizedCrop

from rankme.augment.parameters import Parameters, sample
from rankme.augment.view import View

COUNT = 4000
SIZE = 64
VIEW = View(
    SIZE, brightness=0.8, contrast=0.4, saturation=0.6, hue=0.2, blur=0.5, solarise=0.2, grey=0.3
)
LEAST_P = 1e-3


def draw(view: View = VIEW, count: int = COUNT, image_size: int = SIZE) -> Parameters:
    return sample(view, count, image_size, torch.Generator().manual_seed(0))


def torchvision_crops(view: View, image_size: int, count: int = COUNT) -> Tensor:
    """Return (count, 4): top, left, height, width of torchvision's boxes."""
    image = torch.empty(3, image_size, image_size)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        scale, ratio = list(view.crop_scale), list(view.crop_ratio)
        draws = [RandomResizedCrop.get_params(image, scale, ratio) for _ in range(count)]
    return torch.tensor(draws)


def torchvision_factors(view: View) -> Tensor:
    """Return the factors (COUNT, 4) of torchvision's ColorJitter."""
    jitter = ColorJitter(view.brightness, view.contrast, view.saturation, view.hue)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        ranges = jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue
        draws = [ColorJitter.get_params(*ranges) for _ in range(COUNT)]
    return torch.tensor([factors for _, *factors in draws])


CROP_STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "height": lambda crop: crop[:, 2],
    "width": lambda crop: crop[:, 3],
    "area": lambda crop: crop[:, 2] * crop[:, 3],
    "ratio": lambda crop: crop[:, 3] / crop[:, 2],
    "top": lambda crop: crop[:, 0],
    "left": lambda crop: crop[:, 1],
    "relative top": lambda crop: crop[:, 0] / (SIZE - crop[:, 2]).clamp(min=1),
    "corner": lambda crop: crop[:, 0] + crop[:, 1],
}


@pytest.fixture(scope="module", params=[(0.08, 1.0), (0.2, 0.6), (0.9, 1.0)], ids=str)
def crops(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    view = replace(VIEW, crop_scale=request.param)
    return draw(view).crop, torchvision_crops(view, SIZE)


@pytest.mark.parametrize("statistic", CROP_STATISTICS)
def test_crops_are_distributed_as_torchvision_crops(
    crops: tuple[Tensor, Tensor], statistic: str
) -> None:
    ours, theirs = (CROP_STATISTICS[statistic](crop).double().numpy() for crop in crops)
    assert stats.ks_2samp(ours, theirs, method="asymp").pvalue > LEAST_P


def test_crops_lie_in_the_image() -> None:
    top, left, height, width = draw().crop.unbind(1)
    assert min(top.min(), left.min()) >= 0
    assert min(height.min(), width.min()) >= 1
    assert max((top + height).max(), (left + width).max()) == SIZE


@pytest.mark.parametrize("ratio", [(1.5, 2.0), (0.4, 0.7)])
@pytest.mark.parametrize("image_size", [31, 64])
def test_a_crop_that_never_fits_falls_back_to_torchvisions_central_box(
    ratio: tuple[float, float], image_size: int
) -> None:
    view = replace(VIEW, crop_scale=(1.0, 1.0), crop_ratio=ratio)
    ours, theirs = draw(view, 50, image_size).crop, torchvision_crops(view, image_size, 50)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("column", range(4), ids=["brightness", "contrast", "saturation", "hue"])
def test_jitter_factors_are_distributed_as_torchvision_factors(column: int) -> None:
    both = draw().factors, torchvision_factors(VIEW)
    samples = (factors[:, column].numpy() for factors in both)
    assert stats.ks_2samp(*samples, method="asymp").pvalue > LEAST_P


def test_factors_never_fall_below_zero() -> None:
    factors = draw(replace(VIEW, brightness=1.5)).factors
    assert factors[:, 0].min() >= 0
    assert stats.kstest(factors[:, 0].numpy(), stats.uniform(0, 2.5).cdf).pvalue > LEAST_P


def test_jitter_orders_are_uniform_over_the_24_permutations() -> None:
    found, counts = draw().order.unique(dim=0, return_counts=True)
    assert found.tolist() == [list(turns) for turns in permutations(range(4))]
    assert stats.chisquare(counts.numpy()).pvalue > LEAST_P


@pytest.mark.parametrize("event", ["flip", "jitter", "grey", "blur", "solarise"])
@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_events_have_their_probability(event: str, probability: float) -> None:
    happened = int(getattr(draw(replace(VIEW, **{event: probability})), event).sum())
    assert stats.binomtest(happened, COUNT, probability).pvalue > LEAST_P


def test_events_are_independent_of_each_other() -> None:
    drawn = draw()
    events = torch.stack([drawn.flip, drawn.jitter, drawn.grey, drawn.blur, drawn.solarise])
    correlation = torch.corrcoef(events.double())
    assert (correlation - torch.eye(5)).abs().max() < 4 / COUNT**0.5


def test_sigma_is_uniform_over_its_range() -> None:
    low, high = VIEW.blur_sigma
    sigma = draw().sigma.numpy()
    assert stats.kstest(sigma, stats.uniform(low, high - low).cdf).pvalue > LEAST_P


def test_the_generators_next_state_does_not_depend_on_the_view() -> None:
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    sample(VIEW, 10, SIZE, generators[0])
    sample(View(32, crop_scale=(1.0, 1.0), blur=1.0), 10, 32, generators[1])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
