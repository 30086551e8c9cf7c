"""The programs from PRETRAINED_MODEL to RANKME_EVAL and ACCURACY, run on one tiny encoder."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from rankme.artefacts import (
    load_arrays,
    load_classifier,
    read_metadata,
    read_record,
    save_model,
    weights_digest,
)
from rankme.data.dataset import load_dataset
from rankme.errors import UserError
from rankme.features import load_features
from rankme.files import write_json
from rankme.models import build_encoder, build_projector
from rankme.probes.evaluate import head_scores

CLASSES, SIZE, WIDTHS = 3, 16, [12, 6]
ENCODER = {"name": "resnet10", "width": 8, "stem": "stride2"}
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
    encoder = build_encoder(ENCODER, SIZE)
    parts = {"encoder": encoder, "projector": build_projector(encoder.dimension, WIDTHS)}
    tensors = {f"{p}.{n}": t for p, module in parts.items() for n, t in module.state_dict().items()}
    tensors = {n: t * scale if t.is_floating_point() else t for n, t in tensors.items()}
    metadata = {
        "artefact": "PRETRAINED_MODEL",
        "run": {
            "source": {"name": "levels"},
            "encoder": ENCODER,
            "projector": {"widths": WIDTHS},
            "augmentation": {"recipe": "byol", "crop_scale": [0.2, 1.0]},
        },
        "status": status,
        "image_size": SIZE,
        "normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3},
        "weights_sha256": weights_digest(tensors),
    }
    save_model(path, tensors, metadata)
    return path


@pytest.fixture
def features(tmp_path: Path, run_program: Callable[..., None]) -> Path:
    model, dataset = write_model(tmp_path / "MODEL"), write_dataset(tmp_path / "levels")
    return extract(run_program, model, dataset, tmp_path / "FEATURES")


def extract(run_program: Callable[..., None], model: Path, dataset: Path, output: Path) -> Path:
    run_program("extract_features", model=model, dataset=dataset, device="cpu", output=output)
    return output


def finetune(
    run_program: Callable[..., None], features: Path, output: Path, **options: object
) -> Path:
    probe = PROBE | {"protocol": "augmented" if options else "cached"}
    run_program(
        "finetune",
        features=features,
        probe=json.dumps(probe),
        device="cpu",
        output=output,
        **options,
    )
    return output


def test_a_model_reaches_its_accuracy(
    tmp_path: Path, features: Path, run_program: Callable[..., None]
) -> None:
    head = finetune(run_program, features, tmp_path / "HEAD")
    run_program("evaluate_accuracy", features=features, head=head, output=tmp_path / "ACCURACY")
    metadata = read_metadata(head, "FINETUNED_MODEL")
    accuracy = read_record(tmp_path / "ACCURACY", "ACCURACY")
    assert metadata["tap"] == "representation"
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
        assert measured["tap"] == ("embedding" if name == "embedding" else "representation")


def test_images_with_several_labels_reach_their_mean_average_precision(
    tmp_path: Path, run_program: Callable[..., None]
) -> None:
    model, dataset = write_model(tmp_path / "MODEL"), write_dataset(tmp_path / "levels", "map")
    features = extract(run_program, model, dataset, tmp_path / "FEATURES")
    head = finetune(run_program, features, tmp_path / "HEAD")
    run_program("evaluate_accuracy", features=features, head=head, output=tmp_path / "ACCURACY")
    accuracy = read_record(tmp_path / "ACCURACY", "ACCURACY")
    assert read_metadata(head, "FINETUNED_MODEL")["metric"] == accuracy["metric"] == "map"
    for measured in (accuracy, *accuracy["readouts"].values()):
        assert accuracy["chance"] < measured["map"] <= 1
        assert accuracy["chance"] < measured["head"]["validation_map"] <= 1
        assert [c["n"] for c in measured["per_class"].values()] == [15, 30, 15]


def test_heads_are_trained_on_augmented_images(
    tmp_path: Path, features: Path, run_program: Callable[..., None]
) -> None:
    sources = {"model": tmp_path / "MODEL", "dataset": tmp_path / "levels/DATASET"}
    head = finetune(run_program, features, tmp_path / "HEAD", **sources)
    run_program("evaluate_accuracy", features=features, head=head, output=tmp_path / "ACCURACY")
    accuracy = read_record(tmp_path / "ACCURACY", "ACCURACY")
    assert accuracy["chance"] < accuracy["top1"] <= 1
    augmented = load_arrays(head)
    cached = load_arrays(finetune(run_program, features, tmp_path / "CACHED"))
    assert np.array_equal(augmented["features.mean"], cached["features.mean"])
    for name in ("head.weight", "embedding.head.weight", "mlp.head.weight"):
        assert not np.array_equal(augmented[name], cached[name])
    again = load_arrays(finetune(run_program, features, tmp_path / "AGAIN", **sources))
    assert all(np.array_equal(augmented[name], again[name]) for name in augmented)


def test_the_augmented_protocol_needs_the_model_and_images_of_the_features(
    tmp_path: Path, features: Path, run_program: Callable[..., None]
) -> None:
    sources = {"model": tmp_path / "MODEL", "dataset": tmp_path / "levels/DATASET"}
    with pytest.raises(UserError, match="needs --model and --dataset"):
        finetune(run_program, features, tmp_path / "HEAD", model=sources["model"])
    other = write_model(tmp_path / "OTHER", scale=0.5)
    with pytest.raises(UserError, match="OTHER: its digest is"):
        finetune(run_program, features, tmp_path / "HEAD", **sources | {"model": other})
    assert not (tmp_path / "HEAD").exists()


@pytest.fixture
def results(tmp_path: Path, run_program: Callable[..., None]) -> Path:
    """A folder of a run, as it lies in the results tree."""
    model, dataset = write_model(tmp_path / "run/PRETRAINED_MODEL"), write_dataset(tmp_path / "d")
    folder = tmp_path / "run/levels"
    features = extract(run_program, model, dataset, folder / "FEATURES")
    head = finetune(run_program, features, folder / "FINETUNED_MODEL")
    run_program("evaluate_accuracy", features=features, head=head, output=folder / "ACCURACY")
    return tmp_path / "run"


@pytest.mark.parametrize("batch_size", [256, 7])
def test_a_loaded_classifier_reproduces_the_accuracy_exactly(
    results: Path, tmp_path: Path, batch_size: int
) -> None:
    classifier = load_classifier(results / "levels/FINETUNED_MODEL")
    test = load_dataset(tmp_path / "d").splits["test"]
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
    test = load_dataset(tmp_path / "d").splits["test"]
    with torch.no_grad():
        scores = classifier(classifier.prepare(torch.from_numpy(np.array(test.images))))
    features = load_features(results / "levels/FEATURES").splits["test"].representation
    expected = head_scores(load_arrays(results / "levels/FINETUNED_MODEL"), features)
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


def test_fitting_the_head_does_not_read_the_test_features(
    tmp_path: Path, features: Path, run_program: Callable[..., None]
) -> None:
    before = load_arrays(finetune(run_program, features, tmp_path / "HEAD"))
    for part in ("representation", "labels"):
        file = features / f"test_{part}.npy"
        np.save(file, np.load(file)[::-1] * 7)
    after = load_arrays(finetune(run_program, features, tmp_path / "HEAD"))
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_the_rank_is_that_of_the_singular_values_of_the_subset(
    tmp_path: Path, features: Path, run_program: Callable[..., None]
) -> None:
    run_program("evaluate_rank", features=features, samples=100, eps=0.0, output=tmp_path / "RANK")
    rank = read_record(tmp_path / "RANK", "RANK")
    rows = np.sort(np.random.default_rng(0).permutation(120)[:100])
    for tap in ("embedding", "representation"):
        matrix = np.load(features / f"train_{tap}.npy")[rows].astype(np.float64)
        sigma = np.linalg.svd(matrix, compute_uv=False)
        shares = sigma / sigma.sum()
        expected = np.exp(-np.sum(shares * np.log(shares)))
        assert rank[tap]["rankme"] == pytest.approx(expected, rel=1e-6)
        assert rank[tap]["singular_values"] == pytest.approx(sigma, rel=1e-4)
        assert (rank[tap]["n"], rank[tap]["k"]) == matrix.shape


def test_ranks_are_merged_with_the_status_of_the_model(
    tmp_path: Path, features: Path, run_program: Callable[..., None]
) -> None:
    run_program("evaluate_rank", features=features, samples=50, eps=1e-7, output=tmp_path / "RANK")
    model, output = write_model(tmp_path / "MODEL", "collapsed"), tmp_path / "EVAL"
    run_program("merge_ranks", model=model, ranks=[tmp_path / "RANK"], output=output)
    merged, rank = read_record(output, "RANKME_EVAL"), read_record(tmp_path / "RANK", "RANK")
    assert (merged["status"], merged["source"]) == ("collapsed", "levels")
    assert merged["datasets"]["levels"]["embedding"] == rank["embedding"]


def test_a_rank_of_another_model_is_refused(
    tmp_path: Path, features: Path, run_program: Callable[..., None]
) -> None:
    run_program("evaluate_rank", features=features, samples=50, eps=1e-7, output=tmp_path / "RANK")
    other = write_model(tmp_path / "OTHER", scale=0.5)
    with pytest.raises(UserError, match="measured on the encoder"):
        run_program("merge_ranks", model=other, ranks=[tmp_path / "RANK"], output=tmp_path / "E")


def test_features_that_are_not_finite_go_through_to_the_accuracy_as_a_result(
    tmp_path: Path, features: Path, run_program: Callable[..., None]
) -> None:
    for name in ("train", "test"):
        for tap in ("representation", "embedding"):
            file = features / f"{name}_{tap}.npy"
            np.save(file, np.full_like(np.load(file), np.nan))
    head = finetune(run_program, features, tmp_path / "HEAD")
    run_program("evaluate_accuracy", features=features, head=head, output=tmp_path / "ACCURACY")
    run_program("evaluate_rank", features=features, samples=50, eps=1e-7, output=tmp_path / "RANK")
    accuracy = read_record(tmp_path / "ACCURACY", "ACCURACY")
    assert accuracy["status"] == "non-finite features"
    assert accuracy["top1"] == accuracy["chance"]
    assert read_record(tmp_path / "RANK", "RANK")["embedding"]["rankme"] is None
