"""The programs from PRETRAINED_MODEL to RANKME_EVAL and ACCURACY, run on one tiny encoder."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rankme import metrics
from rankme.artefacts import (
    load_arrays,
    read_metadata,
    read_record,
    save_model,
    save_record,
    weights_digest,
)
from rankme.data.dataset import load_dataset
from rankme.errors import UserError
from rankme.extraction import extract_dataset, extract_views, model_input
from rankme.features import LAYERS, load_features
from rankme.files import write_json
from rankme.models import Projector, build_encoder
from rankme.models.pretrained import load_encoder
from rankme.probes.apply import head_scores
from rankme.probes.classifier import load_classifier
from rankme.provenance import SCRIPTS
from rankme.study.settings import EncoderSettings
from tests.rankme.metrics import oracles

CLASSES, SIZE, WIDTHS = 3, 16, [12, 6]
ENCODER = {"name": "resnet10", "width": 8, "stem": "stride2"}
RUN = {
    "method": "SimCLR",
    "hyperparameters": {},
    "training": {},
    "source": {"name": "levels", "reader": "digits", "size": SIZE},
    "encoder": ENCODER,
    "projector": {"widths": WIDTHS},
    "augmentation": {"recipe": "byol", "crop_scale": [0.2, 1.0]},
    "seed": 0,
}
PROBE = {
    "protocol": "cached",
    "readouts": ["linear", "embedding", "knn", "mlp"],
    "epochs": 6,
    "batch_size": 16,
    "lr": [0.01, 0.1],
    "weight_decay": [0.0, 5e-4],
    "milestones": [3, 5],
    "validation_fraction": 0.25,
    "seed": 0,
    "knn_k": [1, 5],
    "mlp_width": 8,
    "crop_scale": [0.5, 1.0],
}


@pytest.fixture
def run_program(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run(program: str, **options: object) -> None:
        words = [program]
        for name, value in options.items():
            values = value if isinstance(value, list) else [value]
            words += [f"--{name}", *map(str, values)]
        monkeypatch.setattr("sys.argv", words)
        import_module(program).main()

    return run


def write_dataset(folder: Path, metric: str = "top1") -> Path:
    """Classes told apart by their brightness, with noise; for "map", "bright" is "grey" as well."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    splits = {"train": 120, "test": 45}
    for name, count in splits.items():
        labels = np.arange(count) % CLASSES
        matrix = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]], np.uint8)[labels]
        levels = 60 + 60 * labels[:, None, None, None]
        images = generator.normal(levels, 30, (count, SIZE, SIZE, 3)).clip(0, 255)
        np.save(folder / f"{name}_images.npy", images.astype(np.uint8))
        np.save(folder / f"{name}_labels.npy", matrix if metric == "map" else labels)
    record = {
        "artefact": "DATASET",
        "format": 1,
        "name": "levels",
        "image_size": SIZE,
        "classes": ["dark", "grey", "bright"],
        "declaration": {"metric": metric},
        "splits": {name: {"count": count} for name, count in splits.items()},
        "digest": "d0",
        "normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3},
    }
    write_json(folder / "DATASET", record)
    return folder / "DATASET"


def write_model(path: Path, status: str = "completed", scale: float = 1.0) -> Path:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderSettings(**ENCODER), SIZE)
    parts = {"encoder": encoder, "projector": Projector(encoder.dimension, WIDTHS)}
    tensors = nn.ModuleDict(parts).state_dict()
    tensors = {n: t * scale if t.is_floating_point() else t for n, t in tensors.items()}
    metadata = {
        "artefact": "PRETRAINED_MODEL",
        "run": RUN,
        "status": status,
        "image_size": SIZE,
        "normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3},
        "weights_sha256": weights_digest(tensors),
    }
    save_model(path, tensors, metadata)
    return path


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """A model and a dataset, as the options of a program."""
    model, dataset = write_model(tmp_path / "MODEL"), write_dataset(tmp_path / "levels")
    return {"model": model, "dataset": dataset}


@pytest.fixture
def features(tmp_path: Path, sources: dict[str, Path]) -> Path:
    """What any program may have as features of these."""
    model, dataset = load_encoder(sources["model"]), load_dataset(sources["dataset"].parent)
    extract_dataset(model, dataset, tmp_path / "expected", torch.device("cpu"))
    return tmp_path / "expected"


@pytest.fixture
def finetune(run_program: Callable[..., None], tmp_path: Path) -> Callable[..., Path]:
    def run(sources: dict[str, Path], output: Path, protocol: str = "cached", **more: Path) -> Path:
        probe = json.dumps(PROBE | {"protocol": protocol})
        run_program("finetune", **sources, probe=probe, device="cpu", output=output, **more)
        return output

    return run


@pytest.fixture
def measure(
    run_program: Callable[..., None], finetune: Callable[..., Path], tmp_path: Path
) -> Callable[..., tuple[Path, Any]]:
    """Fits the heads and measures them: FINETUNED_MODEL, and the ACCURACY record."""

    def run(sources: dict[str, Path], folder: Path = tmp_path, **options: Any) -> tuple[Path, Any]:
        features, accuracy = folder / "FEATURES", folder / "ACCURACY"
        head = finetune(sources, folder / "FINETUNED_MODEL", features=features, **options)
        run_program("evaluate_accuracy", features=features, head=head, output=accuracy)
        return head, read_record(accuracy, "ACCURACY")

    return run


@pytest.fixture
def rank(run_program: Callable[..., None], tmp_path: Path) -> Callable[..., Any]:
    def run(sources: dict[str, Path], **options: Any) -> Any:
        output = tmp_path / "ranks/RANK"
        run_program("evaluate_rank", **sources, device="cpu", output=output, **options)
        assert list(output.parent.iterdir()) == [output]
        return read_record(output, "RANK")

    return run


def test_a_model_reaches_its_accuracy(
    sources: dict[str, Path], measure: Callable[..., tuple[Path, Any]]
) -> None:
    head, accuracy = measure(sources)
    metadata = read_metadata(head, "FINETUNED_MODEL")
    assert metadata["layer"] == "representation"
    assert metadata["head"]["validation_top1"] == max(
        g["validation_top1"] for g in metadata["grid"]
    )
    assert len(metadata["grid"]) == 4
    assert accuracy["n"] == 45
    assert accuracy["chance"] < accuracy["top1"] <= 1
    assert accuracy["interval"][0] <= accuracy["top1"] <= accuracy["interval"][1]
    assert accuracy["head"] == metadata["head"]
    assert accuracy["train_top1"] == metadata["train_top1"]
    assert list(accuracy["readouts"]) == ["embedding", "knn", "mlp"]
    for name, measured in accuracy["readouts"].items():
        assert accuracy["chance"] < measured["top1"] <= 1
        assert measured["head"] == metadata["readouts"][name]["head"]
        assert measured["layer"] == ("embedding" if name == "embedding" else "representation")


def test_images_with_several_labels_reach_their_mean_average_precision(
    tmp_path: Path, sources: dict[str, Path], measure: Callable[..., tuple[Path, Any]]
) -> None:
    dataset = write_dataset(tmp_path / "several", "map")
    head, accuracy = measure(sources | {"dataset": dataset})
    assert read_metadata(head, "FINETUNED_MODEL")["metric"] == accuracy["metric"] == "map"
    for measured in (accuracy, *accuracy["readouts"].values()):
        assert accuracy["chance"] < measured["map"] <= 1
        assert accuracy["chance"] < measured["head"]["validation_map"] <= 1
        assert [c["n"] for c in measured["per_class"].values()] == [15, 30, 15]


def test_heads_are_trained_on_augmented_images(
    tmp_path: Path,
    sources: dict[str, Path],
    finetune: Callable[..., Path],
    measure: Callable[..., tuple[Path, Any]],
) -> None:
    head, accuracy = measure(sources, protocol="augmented")
    assert accuracy["chance"] < accuracy["top1"] <= 1
    augmented = load_arrays(head)
    cached = load_arrays(finetune(sources, tmp_path / "CACHED"))
    assert np.array_equal(augmented["features.mean"], cached["features.mean"])
    for name in ("head.weight", "embedding.head.weight", "mlp.head.weight"):
        assert not np.array_equal(augmented[name], cached[name])
    again = load_arrays(finetune(sources, tmp_path / "AGAIN", "augmented"))
    assert all(np.array_equal(augmented[name], again[name]) for name in augmented)


def test_features_are_left_for_the_next_step_or_removed(
    tmp_path: Path, sources: dict[str, Path], finetune: Callable[..., Path], features: Path
) -> None:
    (tmp_path / "alone").mkdir()
    alone = finetune(sources, tmp_path / "alone/HEAD")
    assert list((tmp_path / "alone").iterdir()) == [alone]
    left = tmp_path / "FEATURES"
    finetune(sources, tmp_path / "HEAD", features=left)
    assert {file.name for file in left.iterdir()} == {file.name for file in features.iterdir()}
    for file in features.glob("*.npy"):
        assert np.array_equal(np.load(left / file.name), np.load(file))


@pytest.fixture
def results(
    tmp_path: Path, sources: dict[str, Path], measure: Callable[..., tuple[Path, Any]]
) -> Path:
    """A folder of a run, as it lies in the results tree."""
    model = write_model(tmp_path / "run/PRETRAINED_MODEL")
    measure(sources | {"model": model}, tmp_path / "run/levels")
    return tmp_path / "run"


@pytest.mark.parametrize("batch_size", [256, 7])
def test_a_loaded_classifier_reproduces_the_accuracy_exactly(
    results: Path, tmp_path: Path, batch_size: int
) -> None:
    classifier = load_classifier(results / "levels/FINETUNED_MODEL")
    test = load_dataset(tmp_path / "levels").splits["test"]
    answers = []
    with torch.no_grad():
        for images in torch.from_numpy(np.array(test.images)).split(batch_size):
            answers.append(classifier(classifier.prepare(images)).argmax(1))
    accuracy = read_record(results / "levels/ACCURACY", "ACCURACY")
    correct = (torch.cat(answers).numpy() == test.labels).sum()
    assert correct == round(accuracy["top1"] * accuracy["n"])
    assert correct / accuracy["n"] == accuracy["top1"]
    assert not classifier.training
    assert classifier.classes == ["dark", "grey", "bright"]


def test_a_loaded_classifier_scores_in_float64_as_numpy_does(results: Path, tmp_path: Path) -> None:
    """So that a near tie is decided alike, to the last bits of a sum."""
    classifier = load_classifier(results / "levels/FINETUNED_MODEL")
    test = load_dataset(tmp_path / "levels").splits["test"]
    with torch.no_grad():
        scores = classifier(classifier.prepare(torch.from_numpy(np.array(test.images))))
    features = load_features(results / "levels/FEATURES").splits["test"].layers["representation"]
    head = load_arrays(results / "levels/FINETUNED_MODEL")
    head = {name: array.astype(np.float64) for name, array in head.items()}
    expected = head_scores(head, features.astype(np.float64))
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_a_classifier_whose_features_are_no_numbers_answers_with_the_first_class(
    results: Path,
) -> None:
    classifier = load_classifier(results / "levels/FINETUNED_MODEL")
    images = torch.full((2, 3, SIZE, SIZE), float("nan"))
    assert classifier(images).argmax(1).tolist() == [0, 0]


def test_a_classifier_is_loaded_with_an_encoder_from_elsewhere_or_says_what_is_missing(
    results: Path, tmp_path: Path
) -> None:
    head, moved = results / "levels/FINETUNED_MODEL", tmp_path / "elsewhere"
    (results / "PRETRAINED_MODEL").rename(moved)
    with pytest.raises(UserError, match="PRETRAINED_MODEL: no such file"):
        load_classifier(head)
    assert load_classifier(head, encoder=moved).weight.shape[0] == CLASSES


def test_a_head_whose_encoder_has_changed_is_refused(results: Path) -> None:
    write_model(results / "PRETRAINED_MODEL", scale=0.5)
    with pytest.raises(UserError, match="was fitted on the encoder"):
        load_classifier(results / "levels/FINETUNED_MODEL")


def test_fitting_the_head_does_not_read_the_test_images(
    tmp_path: Path, sources: dict[str, Path], finetune: Callable[..., Path]
) -> None:
    before = load_arrays(finetune(sources, tmp_path / "HEAD"))
    for part in ("images", "labels"):
        file = tmp_path / f"levels/test_{part}.npy"
        np.save(file, np.load(file)[::-1] // 2)
    after = load_arrays(finetune(sources, tmp_path / "HEAD"))
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("convergence", [{}, {"convergence": []}])
def test_the_rank_is_that_of_the_singular_values_of_the_subset(
    sources: dict[str, Path], features: Path, rank: Callable[..., Any], convergence: dict[str, Any]
) -> None:
    measured = rank(sources, samples=100, eps=0.0, **convergence)
    rows = np.sort(np.random.default_rng(0).permutation(120)[:100])
    for layer in ("embedding", "representation"):
        matrix = np.load(features / f"train_{layer}.npy")[rows].astype(np.float64)
        sigma = np.linalg.svd(matrix, compute_uv=False)
        shares = sigma / sigma.sum()
        expected = np.exp(-np.sum(shares * np.log(shares)))
        assert measured[layer]["rankme"] == pytest.approx(expected, rel=1e-6)
        assert measured[layer]["singular_values"] == pytest.approx(sigma, rel=1e-4)
        assert (measured[layer]["n"], measured[layer]["k"]) == matrix.shape


def test_the_rank_passes_no_image_that_no_metric_looks_at(
    sources: dict[str, Path], rank: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = []
    monkeypatch.setattr(
        "rankme.extraction.model_input",
        lambda images, *rest: passed.append(len(images)) or model_input(images, *rest),
    )
    rank(sources, rank=json.dumps({"samples": 30, "lidar_images": 4, "lidar_views": 2}))
    assert sum(passed) == 30
    rank(sources, samples=30, convergence=[])
    assert sum(passed) == 30 + 120


def test_the_rank_holds_every_metric_of_both_layers_and_one_curve(
    sources: dict[str, Path],
    features: Path,
    tmp_path: Path,
    rank: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = json.dumps({"samples": 110, "pair_rows": 40, "alpha_fit": [2, 6]})
    assert "convergence" not in rank(sources, rank=settings)["embedding"]
    printed = capsys.readouterr().out
    measured = rank(sources, rank=settings, convergence=[])
    rows = np.sort(np.random.default_rng(0).permutation(120)[:110])
    model, images = load_encoder(sources["model"]), np.load(tmp_path / "levels/train_images.npy")
    views = extract_views(model, images, np.arange(120), 10, tmp_path, torch.device("cpu"))
    for layer in LAYERS:
        matrix, found = np.load(features / f"train_{layer}.npy")[rows], measured[layer]
        assert found["stable_rank"] == pytest.approx(oracles.stable_rank(matrix), rel=1e-5)
        assert found["uniformity"] == pytest.approx(metrics.uniformity(matrix, rows=40), rel=1e-9)
        of_views = views[layer].astype(float)
        assert found["lidar"] == pytest.approx(oracles.lidar(of_views), rel=1e-5)
        assert found["alignment"] == pytest.approx(oracles.alignment(of_views), rel=1e-5)
        assert found["settings"]["lidar"] == {
            "images": 120,
            "views": 10,
            "delta": 1e-4,
            "eps": 1e-8,
        }
    assert [point["samples"] for point in measured["embedding"]["convergence"]] == [110]
    assert "convergence" not in measured["representation"]
    for name, metric in metrics.METRICS.items():
        (line,) = [line for line in printed.splitlines() if line.startswith(metric.label + " ")]
        values = [measured[layer][name] for layer in LAYERS]
        shown = ["-" if value is None else f"{value:.6g}" for value in values]
        assert line.removeprefix(metric.label).split() == shown


def test_a_matrix_made_elsewhere_is_measured_without_torch(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.random.default_rng(0).normal(size=(40, 8)))
    code = "import sys, evaluate_rank; evaluate_rank.main(); sys.exit('torch' in sys.modules)"
    words = [sys.executable, "-c", code, f"--embeddings={tmp_path / 'z.npy'}"]
    assert subprocess.run(words, cwd=SCRIPTS, stdout=subprocess.DEVNULL).returncode == 0


def test_the_rank_of_a_model_needs_a_dataset(
    sources: dict[str, Path], run_program: Callable[..., None]
) -> None:
    with pytest.raises(UserError, match="--model needs --dataset"):
        run_program("evaluate_rank", model=sources["model"])


def test_ranks_are_merged_with_the_status_of_the_model(
    tmp_path: Path,
    sources: dict[str, Path],
    rank: Callable[..., Any],
    run_program: Callable[..., None],
) -> None:
    measured = rank(sources, samples=50)
    model, output = write_model(tmp_path / "MODEL", "collapsed"), tmp_path / "EVAL"
    run_program("merge_ranks", model=model, ranks=[tmp_path / "ranks/RANK"], output=output)
    merged = read_record(output, "RANKME_EVAL")
    assert (merged["status"], merged["source"]) == ("collapsed", "levels")
    assert merged["datasets"]["levels"]["embedding"] == measured["embedding"]


def test_a_rank_of_another_model_is_refused(
    tmp_path: Path,
    sources: dict[str, Path],
    rank: Callable[..., Any],
    run_program: Callable[..., None],
) -> None:
    rank(sources, samples=50)
    options = {"ranks": [tmp_path / "ranks/RANK"], "output": tmp_path / "EVAL"}
    with pytest.raises(UserError, match="measured on the encoder"):
        run_program("merge_ranks", model=write_model(tmp_path / "OTHER", scale=0.5), **options)


def test_a_rank_that_lacks_a_key_is_a_users_error(
    tmp_path: Path, sources: dict[str, Path], run_program: Callable[..., None]
) -> None:
    digest = read_metadata(sources["model"], "PRETRAINED_MODEL")["weights_sha256"]
    save_record(tmp_path / "RANK", {"artefact": "RANK", "encoder_sha256": digest})
    options = {"ranks": [tmp_path / "RANK"], "output": tmp_path / "EVAL"}
    with pytest.raises(UserError, match="RANK: lacks the key 'representation'"):
        run_program("merge_ranks", model=sources["model"], **options)


def test_features_that_are_not_finite_go_through_to_the_accuracy_as_a_result(
    tmp_path: Path,
    sources: dict[str, Path],
    rank: Callable[..., Any],
    measure: Callable[..., tuple[Path, Any]],
) -> None:
    sources |= {"model": write_model(tmp_path / "NAN", "diverged", scale=float("nan"))}
    _, accuracy = measure(sources)
    assert accuracy["status"] == "non-finite features"
    assert accuracy["top1"] == accuracy["chance"]
    assert rank(sources, samples=50)["embedding"]["rankme"] is None
