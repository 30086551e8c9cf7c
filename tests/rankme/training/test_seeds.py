from hypothesis import given
from hypothesis import strategies as st

from rankme.training.seeds import derive_seed


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_seed_is_a_function_that_torch_takes(seed: int, index: int) -> None:
    value = derive_seed(seed, "augmentation", index)
    assert value == derive_seed(seed, "augmentation", index)
    assert 0 <= value < 2**63


def test_neighbouring_runs_share_no_seed_at_any_step() -> None:
    seeds = [
        derive_seed(seed, purpose, step)
        for seed in range(10)
        for purpose in ("augmentation", "initialisation")
        for step in range(500)
    ]
    assert len(set(seeds)) == len(seeds)
