"""Label-free metrics in the finished study, and of matrices that were made elsewhere."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from rankme.artefacts import read_record
from rankme.metrics import METRICS, rankme


def test_every_metric_is_in_rankme_eval_for_both_layers_of_each_dataset(finished) -> None:
    for run in finished.runs():
        datasets = read_record(run / "RANKME_EVAL", "RANKME_EVAL")["datasets"]
        assert set(datasets) == {"little-shapes", "little-textures"}
        for name, measured in datasets.items():
            for layer in ("embedding", "representation"):
                found = measured[layer]
                assert (found["n"], found["k"]) == (64, 8 if layer == "embedding" else 32)
                assert len(found["singular_values"]) == found["k"]
                assert all(isinstance(found[metric], float | None) for metric in METRICS)
                assert None not in (found["lidar"], found["alignment"], found["rankme"])
                shape = {"images": 12, "views": 3}
                assert found["settings"]["alignment"] == shape
                assert ("convergence" in found) == ((name, layer) == ("little-shapes", "embedding"))
        (point,) = datasets["little-shapes"]["embedding"]["convergence"]
        assert (point["samples"], point["draws"]) == (64, 5)


def embeddings() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)


def test_a_matrix_made_elsewhere_is_measured_by_hand(fresh) -> None:
    z = embeddings()
    np.save(fresh.path / "z.npy", z)
    save_file({"z": z, "other": z[:2]}, fresh.path / "z.safetensors")
    program = "scripts/evaluate_rank.py"
    printed = fresh.python(program, "--embeddings=z.npy").stdout
    assert f"{rankme(z):.6g}" in printed
    assert all(metric.label in printed for metric in METRICS.values())
    arguments = ("--embeddings=z.safetensors", "--key=z", "--samples=300", "--eps=0")
    fresh.python(program, *arguments, "--convergence", "--output=made/METRICS")
    measured = read_record(fresh.path / "made/METRICS", "METRICS")["embedding"]
    rows = np.sort(np.random.default_rng(0).permutation(400)[:300])
    assert measured["rankme"] == pytest.approx(rankme(z[rows], eps=0), rel=1e-12)
    assert [point["samples"] for point in measured["convergence"]] == [256, 300]
    assert measured["lidar"] is None
    json.dumps(measured, allow_nan=False)


def test_a_mistake_by_hand_is_one_line(fresh) -> None:
    z = embeddings()
    np.save(fresh.path / "z.npy", z)
    z[3, 4] = np.nan
    np.save(fresh.path / "nan.npy", z)
    np.save(fresh.path / "flat.npy", z[0])
    for arguments, message in (
        (("--embeddings=z.npy", "--eps=-1"), "--rank.eps: -1.0 is out of bounds, must be >= 0"),
        (("--embeddings=z.npy", "--eps=nan"), "--rank.eps: nan is not a finite number"),
        (("--embeddings=z.npy", "--samples=1"), "--rank.samples: 1 is out of bounds, must be >= 2"),
        (("--embeddings=z.npy", '--rank={"alpha_fit": [9, 3]}'), "--rank.alpha_fit: [9, 3] must"),
        (("--embeddings=nan.npy",), "nan.npy: holds NaN, infinite or too large values"),
        (("--embeddings=flat.npy",), "flat.npy: has the shape (16,), expected N x K"),
        (("--embeddings=nowhere.npy",), "nowhere.npy: No such file or directory"),
        (("--model=nowhere",), "--model needs --dataset; give the DATASET of a prepared dataset"),
        (("--model=nowhere", "--dataset=nowhere/DATASET"), "nowhere: no such file"),
        (("--embeddings=z.npy", "--output=config"), "--output: config is a folder"),
    ):
        done = fresh.python("scripts/evaluate_rank.py", *arguments, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {message}")
        assert done.stderr.count("\n") == 1
