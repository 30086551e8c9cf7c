import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankme.errors import UserError
from rankme.study.settings import Training
from rankme.training.schedule import Schedule

TRAINING = Training(epochs=10, lr=0.5, scale_lr=False, warmup_epochs=2, final_lr_fraction=0.01)


def course(steps: int, warmup: int, peak: float = 0.3, final_fraction: float = 0.02) -> Schedule:
    return Schedule(steps, 1, 1, warmup, peak, final_fraction)


@pytest.mark.parametrize(
    ("steps", "warmup"), [(1, 0), (2, 1), (64, 16), (160, 16), (1000, 0), (50_000, 5_000)]
)
def test_both_ends_of_the_warm_up_and_the_last_step_are_exact(steps: int, warmup: int) -> None:
    schedule = course(steps, warmup)
    assert schedule.rate(0) == pytest.approx(0.3 / (warmup + 1))
    assert schedule.rate(warmup) == 0.3
    if steps > warmup + 1:
        assert schedule.rate(steps - 1) == pytest.approx(0.006, rel=1e-12)


def test_half_way_down_the_rate_is_the_mean_of_peak_and_final_rate() -> None:
    assert course(101, 20, peak=1.0, final_fraction=0.1).rate(60) == pytest.approx(0.55)


@given(steps=st.integers(3, 400), share=st.floats(0, 0.9), peak=st.floats(1e-6, 1e6))
def test_the_rate_rises_to_the_peak_and_then_falls(steps: int, share: float, peak: float) -> None:
    warmup = int(share * steps)
    schedule = course(steps, warmup, peak)
    rates = [schedule.rate(step) for step in range(steps)]
    assert rates[: warmup + 1] == sorted(rates[: warmup + 1])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(0 < rate <= peak and math.isfinite(rate) for rate in rates)


@pytest.mark.parametrize(
    ("images", "batch", "epochs", "warmup", "steps", "peak_step"),
    [
        (4096, 256, 10, 1, 160, 16),
        (1000, 256, 4, 0.5, 12, 2),
        (50_000, 512, 100, 10, 9700, 970),
        (256, 256, 3, 0, 3, 0),
    ],
)
def test_a_course_counts_whole_batches(
    images: int, batch: int, epochs: int, warmup: float, steps: int, peak_step: int
) -> None:
    changes = {"batch_size": batch, "epochs": epochs, "warmup_epochs": warmup}
    schedule = Schedule.of(TRAINING.model_copy(update=changes), images)
    assert schedule.steps == steps
    assert schedule.rate(peak_step) == 0.5
    assert schedule.rate(steps - 1) == pytest.approx(0.005)


def test_a_scaled_rate_is_proportional_to_the_batch() -> None:
    scaled = TRAINING.model_copy(update={"scale_lr": True, "batch_size": 1024})
    assert Schedule.of(scaled, 5000).peak == 2.0


def test_a_batch_larger_than_the_dataset_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"training\.batch_size: 256 is more than the 255"):
        Schedule.of(TRAINING, 255)


def test_a_run_that_is_all_warm_up_is_pointed_out(caplog: pytest.LogCaptureFixture) -> None:
    Schedule.of(TRAINING.model_copy(update={"epochs": 2}), 1000)
    assert "all 2 epochs are warm-up" in caplog.text
