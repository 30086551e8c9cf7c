import pytest
import torch

from rankme.training.precision import compute_dtype

CPU, CUDA, MPS = (torch.device(kind) for kind in ("cpu", "cuda", "mps"))


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_bfloat16_where_it_is_native(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    expected = torch.bfloat16 if native else torch.float32
    assert compute_dtype("auto", CPU) == compute_dtype("auto", CUDA) == expected
    assert compute_dtype("auto", MPS) == torch.float32


@pytest.mark.parametrize("device", [CPU, CUDA, MPS])
def test_a_named_precision_is_taken(device: torch.device) -> None:
    assert compute_dtype("float32", device) == torch.float32
    assert compute_dtype("bfloat16", device) == torch.bfloat16
