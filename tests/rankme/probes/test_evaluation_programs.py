"""The programs from PRETRAINED_MODEL to RANKME_EVAL and ACCURACY, run on one tiny encoder."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rankme import metrics
from rankme.artefacts import load_arrays, read_metadata, save_record
from rankme.data.dataset import load_dataset
from rankme.errors import UserError
from rankme.extraction import Extractor, extract_dataset, model_input
from rankme.features import LAYERS
from rankme.models.pretrained import load_encoder
from rankme.provenance import SCRIPTS
from tests.rankme.metrics import oracles
from tests.rankme.probes.tiny import Tiny, write_dataset, write_model

CPU = torch.device("cpu")


def expected_features(tiny: Tiny) -> Path:
    """Features of all images, whichever of them a program looks at."""
    folder = tiny.path / "expected"
    extract_dataset(load_encoder(tiny.model), load_dataset(tiny.dataset.parent), folder, CPU)
    return folder


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(array, second[name]) for name, array in first.items())


@pytest.mark.parametrize(("metric", "counts"), [("top1", [15, 15, 15]), ("map", [15, 30, 15])])
def test_a_model_reaches_its_accuracy(tiny: Tiny, metric: str, counts: list[int]) -> None:
    """With "map" an image may have several labels."""
    tiny = replace(tiny, dataset=write_dataset(tiny.path / metric, metric))
    head, accuracy = tiny.measure()
    metadata = read_metadata(head, "FINETUNED_MODEL")
    assert metadata["metric"] == accuracy["metric"] == metric
    assert len(metadata["grid"]) == 4
    assert accuracy["n"] == 45
    fitted = {"linear": metadata, **metadata["readouts"]}
    read = {"linear": accuracy, **accuracy["readouts"]}
    assert list(read) == ["linear", "embedding", "knn", "mlp"]
    for name, measured in read.items():
        low, high = measured["interval"]
        assert low <= measured[metric] <= high
        assert accuracy["chance"] < measured[metric] <= 1
        assert [c["n"] for c in measured["per_class"].values()] == counts
        assert measured["layer"] == ("embedding" if name == "embedding" else "representation")
        assert measured["head"] == fitted[name]["head"]
        assert measured[f"train_{metric}"] == fitted[name][f"train_{metric}"]
        validation = f"validation_{metric}"
        best = max(trial[validation] for trial in fitted[name]["grid"])
        assert accuracy["chance"] < measured["head"][validation] == best


def test_heads_are_trained_on_augmented_images(tiny: Tiny) -> None:
    head, accuracy = tiny.measure(protocol="augmented")
    assert accuracy["chance"] < accuracy["top1"] <= 1
    augmented, cached = load_arrays(head), load_arrays(tiny.finetune("CACHED"))
    assert np.array_equal(augmented["features.mean"], cached["features.mean"])
    for name in ("head.weight", "embedding.head.weight", "mlp.head.weight"):
        assert not np.array_equal(augmented[name], cached[name])
    assert same(augmented, load_arrays(tiny.finetune("AGAIN", "augmented")))


def test_features_are_left_for_the_next_step_or_removed(tiny: Tiny) -> None:
    alone = tiny.finetune("alone/HEAD")
    assert list(alone.parent.iterdir()) == [alone]
    left, features = tiny.path / "FEATURES", expected_features(tiny)
    tiny.finetune(features=left)
    assert {file.name for file in left.iterdir()} == {file.name for file in features.iterdir()}
    for file in features.glob("*.npy"):
        assert np.array_equal(np.load(left / file.name), np.load(file))


def test_fitting_the_head_does_not_read_the_test_images(tiny: Tiny) -> None:
    before = load_arrays(tiny.finetune())
    for part in ("images", "labels"):
        file = tiny.dataset.with_name(f"test_{part}.npy")
        np.save(file, np.load(file)[::-1] // 2)
    assert same(before, load_arrays(tiny.finetune()))


def test_the_rank_passes_no_image_that_no_metric_looks_at(tiny: Tiny) -> None:
    passed = []
    tiny.patch.setattr(
        "rankme.extraction.model_input",
        lambda images, *rest: passed.append(len(images)) or model_input(images, *rest),
    )
    tiny.rank(rank=json.dumps({"samples": 30, "lidar_images": 4, "lidar_views": 2}))
    assert sum(passed) == 30
    tiny.rank(samples=30, convergence=[])
    assert sum(passed) == 30 + 120


def test_the_rank_holds_every_metric_of_the_subset_for_both_layers_and_one_curve(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = json.dumps({"samples": 20, "pair_rows": 40, "alpha_fit": [2, 6]})
    without_curve = tiny.rank(samples=110, eps=0.0, rank=settings)
    printed = capsys.readouterr().out
    measured = tiny.rank(samples=110, eps=0.0, rank=settings, convergence=[])
    curve = measured["embedding"].pop("convergence")
    assert [point["samples"] for point in curve] == [110]
    rows = np.sort(np.random.default_rng(0).permutation(120)[:110])
    features, images = expected_features(tiny), np.load(tiny.dataset.with_name("train_images.npy"))
    extractor = Extractor(load_encoder(tiny.model), CPU, tiny.path)
    views = extractor.views(images, np.arange(120), 10)
    for layer, found in [(n, record[n]) for n in LAYERS for record in (without_curve, measured)]:
        matrix = np.load(features / f"train_{layer}.npy")[rows]
        of_views = views[layer].astype(float)
        assert (found["n"], found["k"]) == matrix.shape
        assert found["singular_values"] == pytest.approx(oracles.spectrum(matrix), rel=1e-4)
        assert found["rankme"] == pytest.approx(oracles.effective_rank(matrix), rel=1e-6)
        assert found["stable_rank"] == pytest.approx(oracles.stable_rank(matrix), rel=1e-5)
        assert found["uniformity"] == pytest.approx(metrics.uniformity(matrix, rows=40), rel=1e-9)
        assert found["lidar"] == pytest.approx(oracles.lidar(of_views), rel=1e-5)
        assert found["alignment"] == pytest.approx(oracles.alignment(of_views), rel=1e-5)
        used = {"images": 120, "views": 10, "delta": 1e-4, "eps": 1e-8}
        assert found["settings"]["lidar"] == used
        assert "convergence" not in found
    for name, metric in metrics.METRICS.items():
        (line,) = [line for line in printed.splitlines() if line.startswith(metric.label + " ")]
        values = [without_curve[layer][name] for layer in LAYERS]
        shown = ["-" if value is None else f"{value:.6g}" for value in values]
        assert line.removeprefix(metric.label).split() == shown


def test_a_matrix_made_elsewhere_is_measured_without_torch(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.random.default_rng(0).normal(size=(40, 8)))
    code = "import sys, evaluate_rank; evaluate_rank.main(); sys.exit('torch' in sys.modules)"
    words = [sys.executable, "-c", code, f"--embeddings={tmp_path / 'z.npy'}"]
    assert subprocess.run(words, cwd=SCRIPTS, stdout=subprocess.DEVNULL).returncode == 0


def test_the_rank_of_a_model_needs_a_dataset(tiny: Tiny) -> None:
    with pytest.raises(UserError, match="--model needs --dataset"):
        tiny.run("evaluate_rank", model=tiny.model)


def test_ranks_are_merged_with_the_status_of_the_model_and_never_of_another(tiny: Tiny) -> None:
    measured, rank = tiny.rank(samples=50), tiny.path / "ranks/RANK"
    merged = tiny.merge(write_model(tiny.model, "collapsed"), rank)
    assert (merged["status"], merged["source"]) == ("collapsed", "levels")
    assert merged["datasets"]["levels"]["embedding"] == measured["embedding"]
    with pytest.raises(UserError, match="measured on the encoder"):
        tiny.merge(write_model(tiny.path / "OTHER", scale=0.5), rank)


def test_a_rank_that_lacks_a_key_is_a_users_error(tiny: Tiny) -> None:
    digest = read_metadata(tiny.model, "PRETRAINED_MODEL")["weights_sha256"]
    save_record(tiny.path / "RANK", {"artefact": "RANK", "encoder_sha256": digest})
    with pytest.raises(UserError, match="RANK: lacks the key 'representation'; delete it and run"):
        tiny.merge(tiny.model, tiny.path / "RANK")


def test_features_that_are_not_finite_go_through_to_the_accuracy_as_a_result(tiny: Tiny) -> None:
    diverged = write_model(tiny.path / "NAN", "diverged", scale=float("nan"))
    tiny = replace(tiny, model=diverged)
    _, accuracy = tiny.measure()
    assert accuracy["status"] == "non-finite features"
    assert accuracy["top1"] == accuracy["chance"]
    assert tiny.rank(samples=50)["embedding"]["rankme"] is None
