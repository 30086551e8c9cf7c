"""DINO's loss against its formula, and its teacher, centre and crops against their definitions."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.methods import dino_loss
from rankme.methods.dino import momentum_at
from rankme.study.settings import Augmentation
from tests.rankme.methods import small

AUGMENTATION = Augmentation(crop_scale=(0.08, 1.0))
STEPS = 40
LABELS = torch.zeros(6, dtype=torch.int64)


def scores(
    views: int = 4, samples: int = 3, prototypes: int = 5, seed: int = 0, dtype=torch.float64
):
    """Cosines of the student's views, of the teacher's two, and a centre."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (views, samples, prototypes), (2, samples, prototypes), (prototypes,)
    drawn = [2 * torch.rand(*s, generator=generator, dtype=torch.float64) - 1 for s in shapes]
    student, teacher, centre = (t.to(dtype) for t in drawn)
    return student.requires_grad_(), teacher, centre


def dino_by_loops(student, teacher, centre, student_temperature, teacher_temperature):
    """-sum P_t log P_s over all pairs of unlike views, entry by entry."""
    total, pairs = 0, 0
    for g, says in enumerate(teacher):
        for v, hears in enumerate(student):
            if v == g:
                continue
            pairs += 1
            for t_row, s_row in zip(says, hears, strict=True):
                t = torch.exp((t_row - centre) / teacher_temperature)
                s = torch.exp(s_row / student_temperature)
                for k in range(len(centre)):
                    total = total - t[k] / t.sum() * torch.log(s[k] / s.sum())
    return total / pairs / student.shape[1]


def build(**hyperparameters):
    chosen = {"prototypes": 12, "local_crops": 2, **hyperparameters}
    return small.build("DINO", image_size=16, **chosen)


def crops(method, seed: int = 1):
    generator = torch.Generator().manual_seed(seed)
    views = method.views(AUGMENTATION, 16)
    return [torch.randn(6, 3, view.size, view.size, generator=generator) for view in views]


@pytest.mark.parametrize("temperatures", [(0.1, 0.04), (0.4, 0.01), (1.0, 1.0)])
@pytest.mark.parametrize("views", [2, 3, 8])
def test_the_loss_equals_its_formula_in_value_and_gradient_of_the_student_alone(
    views, temperatures
):
    student, teacher, centre = scores(views)
    loss = dino_loss(student, teacher.requires_grad_(), centre, *temperatures)
    expected = dino_by_loops(student, teacher, centre, *temperatures)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    own, teachers = torch.autograd.grad(loss, (student, teacher), allow_unused=True)
    torch.testing.assert_close(
        own, torch.autograd.grad(expected, student)[0], rtol=1e-8, atol=1e-12
    )
    assert teachers is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 10))
def test_the_loss_ignores_order_shifts_and_scale_that_the_temperatures_share(seed, scale):
    student, teacher, centre = scores(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    samples = torch.randperm(3, generator=generator)
    prototypes = torch.randperm(5, generator=generator)
    shift = torch.randn(5, generator=generator, dtype=torch.float64)
    rows = torch.randn(4, 3, 1, generator=generator, dtype=torch.float64)
    expected = dino_loss(student, teacher, centre, 0.1, 0.04)
    for other in (
        (student[:, samples], teacher[:, samples], centre),
        (student[..., prototypes], teacher[..., prototypes], centre[prototypes]),
        (student[[0, 1, 3, 2]], teacher, centre),
        (student[[1, 0, 2, 3]], teacher[[1, 0]], centre),
        (student + rows, teacher, centre),
        (student, teacher + shift, centre + shift),
    ):
        torch.testing.assert_close(dino_loss(*other, 0.1, 0.04), expected, rtol=1e-8, atol=1e-12)
    scaled = dino_loss(*(scale * t for t in (student, teacher, centre)), 0.1 * scale, 0.04 * scale)
    torch.testing.assert_close(scaled, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_is_finite_where_exp_overflows(dtype):
    """exp(1 / 0.001) is beyond float64, too."""
    student, teacher, centre = scores(dtype=dtype)
    loss = dino_loss(student, teacher, centre, 0.001, 0.001)
    loss.backward()
    assert student.grad.isfinite().all()
    exact = dino_loss(student.detach().double(), teacher.double(), centre.double(), 0.001, 0.001)
    torch.testing.assert_close(loss.double(), exact, rtol=1e-4, atol=0)


def test_a_cold_teacher_names_one_prototype_and_a_hot_student_is_uniform():
    student, teacher, centre = scores(prototypes=7)
    cold = dino_loss(student, teacher, centre, 0.1, 1e-6)
    best = (teacher - centre).argmax(-1)
    logs = (student / 0.1).log_softmax(-1)
    pairs = [(g, v) for g in range(2) for v in range(4) if g != v]
    named = torch.stack([logs[v].gather(1, best[g][:, None]).mean() for g, v in pairs])
    torch.testing.assert_close(cold, -named.mean(), rtol=1e-10, atol=0)
    hot = dino_loss(student, teacher, centre, 1e9, 0.04)
    assert float(hot.detach()) == pytest.approx(math.log(7), rel=1e-8)


def test_momentum_rises_from_its_first_value_to_one_by_a_cosine():
    course = [momentum_at(step, 100, 0.996) for step in range(101)]
    assert course[0] == pytest.approx(0.996, abs=1e-12)
    assert course[50] == pytest.approx(0.998, abs=1e-12)
    assert course[100] == 1
    assert course == sorted(course)


def test_the_teacher_starts_as_the_student_and_gets_no_gradient():
    method = build()
    weights = method.state_dict()
    for name, tensor in weights.items():
        if name.startswith("student_encoder."):
            assert torch.equal(tensor, weights[name.removeprefix("student_")])
    assert torch.equal(weights["directions.weight"], weights["student_directions.weight"])
    method.loss(crops(method), LABELS).backward()
    trained = {name for name, p in method.named_parameters() if p.grad is not None}
    assert trained == {name for name, _ in method.named_parameters() if name.startswith("student_")}
    assert trained == {name for name, p in method.named_parameters() if p.requires_grad}


def test_the_teacher_is_the_moving_average_of_the_student():
    method = build(teacher_momentum=0.9)
    before = copy.deepcopy(method.state_dict())
    with torch.no_grad():
        for name, parameter in method.named_parameters():
            if name.startswith("student_"):
                parameter.add_(torch.randn_like(parameter))
    method.after_step(10, STEPS)
    momentum = 1 - 0.1 * (1 + math.cos(math.pi / 4)) / 2
    after = method.state_dict()
    for name, _ in method.named_parameters():
        if not name.startswith("student_"):
            expected = momentum * before[name] + (1 - momentum) * after[f"student_{name}"]
            torch.testing.assert_close(after[name], expected, rtol=1e-5, atol=1e-6)


def test_the_loss_is_that_of_the_cosines_to_the_prototypes():
    method = build(student_temperature=0.2, teacher_temperature=0.05, center_momentum=0.0)
    views = crops(method)
    method.centre.normal_(generator=torch.Generator().manual_seed(2))
    centre = method.centre.clone()
    twin = copy.deepcopy(method).double()
    cosine = torch.nn.functional.cosine_similarity

    def scored(encoder, projector, directions, batches):
        """Each group of views is a batch of its own in the encoder, all one in the projector."""
        h = [encoder(torch.cat(batch).double()) for batch in batches]
        z = projector(torch.cat(h)).unflatten(0, (-1, 6))
        return cosine(z[:, :, None], directions.weight, dim=-1)

    student = scored(
        twin.student_encoder,
        twin.student_projector,
        twin.student_directions,
        (views[:2], views[2:]),
    )
    teacher = scored(twin.encoder, twin.projector, twin.directions, (views[:2],))
    expected = dino_by_loops(student, teacher, centre.double(), 0.2, 0.05)
    torch.testing.assert_close(method.loss(views, LABELS).double(), expected, rtol=1e-4, atol=0)
    mean = teacher.mean((0, 1)).float()
    torch.testing.assert_close(method.centre, mean, rtol=1e-4, atol=1e-5)


def test_the_centre_follows_the_teachers_scores_with_its_momentum():
    fast, slow = build(center_momentum=0.0), build(center_momentum=0.75)
    for method in (fast, slow):
        method.loss(crops(method), LABELS)
    torch.testing.assert_close(slow.centre, 0.25 * fast.centre)


def test_views_are_two_large_crops_and_small_ones_that_are_smaller_and_never_solarised():
    first, second, *local = build(local_crops=3, crop_split=0.3).views(AUGMENTATION, 224)
    assert (first.size, first.crop_scale, first.blur) == (224, (0.3, 1.0), 1.0)
    assert (second.crop_scale, second.solarise) == ((0.3, 1.0), 0.2)
    assert len(local) == 3
    for view in local:
        assert (view.size, view.crop_scale, view.solarise) == (96, (0.08, 0.3), 0.0)
        assert view.blur == pytest.approx(0.55)
    assert build().views(AUGMENTATION, 32)[-1].size == 14
