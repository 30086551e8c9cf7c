import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, recall_score, top_k_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from rankme.artefacts import read_metadata, save_model
from rankme.errors import UserError
from rankme.features import load_features
from rankme.probes.apply import head_scores
from rankme.probes.evaluate import evaluate
from rankme.probes.neighbours import TEMPERATURE
from rankme.provenance import SCRIPTS

CLASSES, DIMENSION = 7, 6


def random_head(seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        "head.weight": generator.normal(size=(CLASSES, DIMENSION)).astype(np.float32),
        "head.bias": generator.normal(size=CLASSES).astype(np.float32),
        "features.mean": generator.normal(size=DIMENSION).astype(np.float32),
        "features.std": generator.uniform(0.5, 2, DIMENSION).astype(np.float32),
    }


def hidden_layers() -> dict[str, np.ndarray]:
    generator, layers = np.random.default_rng(3), {}
    for layer in ("hidden.0", "hidden.1"):
        layers[f"{layer}.weight"] = generator.normal(size=(DIMENSION,) * 2).astype(np.float32)
        layers[f"{layer}.bias"] = generator.normal(size=DIMENSION).astype(np.float32)
    return layers


def random_features(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, DIMENSION)).astype(np.float32)
    return features, generator.integers(CLASSES, size=count)


def torch_scores(head: dict[str, np.ndarray], features: np.ndarray) -> np.ndarray:
    tensors = {name: torch.from_numpy(array).double() for name, array in head.items()}
    inputs = (torch.from_numpy(features).double() - tensors["features.mean"]) / tensors[
        "features.std"
    ]
    for layer in ("hidden.0", "hidden.1"):
        if f"{layer}.weight" in tensors:
            weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]
            inputs = nn.functional.linear(inputs, weight, bias).relu()
    scores = nn.functional.linear(inputs, tensors["head.weight"], tensors["head.bias"])
    return scores.numpy()


def about(metric: str = "top1", layer: str = "representation", **head: Any) -> dict[str, Any]:
    return {"layer": layer, "status": "completed", "head": head, f"train_{metric}": 0.5}


def save_head(
    path: Path,
    head: dict[str, np.ndarray],
    metric: str = "top1",
    readouts: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    metadata = {
        "artefact": "FINETUNED_MODEL",
        "dataset_digest": "d0",
        "encoder_sha256": "e0",
        "readouts": readouts or {},
        **about(metric, lr=0.1),
    }
    tensors = {name: torch.from_numpy(array) for name, array in head.items()}
    save_model(path, tensors, metadata | changes)
    return path


def test_accuracies_are_those_of_scikit_learn_on_the_scores_of_torch(
    write_features: Callable[..., Path], tmp_path: Path
) -> None:
    head, (features, labels) = random_head(), random_features(3000)
    folder = write_features(random_features(20), (features, labels), CLASSES)
    record = evaluate(load_features(folder), save_head(tmp_path / "head", head))
    scores = torch_scores(head, features)
    everything = list(range(CLASSES))
    for k in (1, 5):
        expected = top_k_accuracy_score(labels, scores, k=k, labels=everything)
        assert record[f"top{k}"] == pytest.approx(expected)
    recalls = recall_score(labels, scores.argmax(1), average=None)
    assert [c["top1"] for c in record["per_class"].values()] == pytest.approx(list(recalls))
    assert sum(c["n"] for c in record["per_class"].values()) == record["n"] == 3000
    assert record["metric"] == "top1"
    assert record["chance"] == 1 / CLASSES
    assert record["majority"] == np.bincount(labels).max() / 3000


def test_with_fewer_than_five_classes_top5_is_certain(
    write_features: Callable[..., Path], tmp_path: Path
) -> None:
    head = random_head()
    head = head | {name: head[name][:3] for name in ("head.weight", "head.bias")}
    features, labels = random_features(100)
    folder = write_features((features, labels % 3), (features, labels % 3), 3)
    record = evaluate(load_features(folder), save_head(tmp_path / "head", head))
    assert record["top5"] == 1.0
    assert record["top1"] < 1.0


def test_a_class_without_test_images_has_no_accuracy(
    write_features: Callable[..., Path], tmp_path: Path
) -> None:
    features, labels = random_features(100)
    folder = write_features((features, labels), (features, labels % (CLASSES - 1)), CLASSES)
    record = evaluate(load_features(folder), save_head(tmp_path / "head", random_head()))
    assert record["per_class"][f"class {CLASSES - 1}"] == {"top1": None, "n": 0}


def test_every_readout_is_measured_on_its_own_features_and_tensors(
    write_features: Callable[..., Path], tmp_path: Path
) -> None:
    train, test = random_features(300, seed=2), random_features(500)
    main, embedding, mlp = random_head(), random_head(1), random_head(2)
    embedding = embedding | {n: embedding[n][..., :2] for n in embedding if n != "head.bias"}
    mlp |= hidden_layers()
    prefixed = {f"embedding.{n}": t for n, t in embedding.items()}
    prefixed |= {f"mlp.{n}": t for n, t in mlp.items()}
    readouts = {
        "embedding": about(layer="embedding", lr=1.0),
        "knn": about(k=5),
        "mlp": about(lr=2.0),
    }
    folder = write_features(train, test, CLASSES)
    head = save_head(tmp_path / "head", main | prefixed, readouts=readouts)
    record = evaluate(load_features(folder), head)

    features, labels = test
    neighbours = KNeighborsClassifier(
        5, metric="cosine", weights=lambda distance: np.exp(-distance / TEMPERATURE)
    ).fit(*train)
    answers = {
        "embedding": torch_scores(embedding, features[:, :2]).argmax(1),
        "knn": neighbours.predict(features),
        "mlp": torch_scores(mlp, features).argmax(1),
    }
    assert list(record["readouts"]) == list(readouts)
    for name, measured in record["readouts"].items():
        assert measured["top1"] == pytest.approx(np.mean(answers[name] == labels))
        assert measured["interval"][0] < measured["top1"] < measured["interval"][1]
        assert measured["head"] == readouts[name]["head"]
        assert measured["train_top1"] == 0.5
        assert len(measured["per_class"]) == CLASSES
    assert len({measured["top1"] for measured in record["readouts"].values()}) == 3


def test_images_with_several_labels_are_measured_by_mean_average_precision(
    write_features: Callable[..., Path], tmp_path: Path
) -> None:
    (features, _), head = random_features(400), random_head()
    labels = (np.random.default_rng(0).random((400, CLASSES)) < 0.2).astype(np.uint8)
    labels[:, 3] = 0
    folder = write_features((features, labels), (features, labels), CLASSES)
    readouts = {"knn": about("map", k=1)}
    record = evaluate(
        load_features(folder), save_head(tmp_path / "head", head, "map", readouts=readouts)
    )
    present = [c for c in range(CLASSES) if c != 3]
    scores = torch_scores(head, features)
    expected = average_precision_score(labels[:, present], scores[:, present], average=None)
    assert (record["metric"], record["interval_method"]) == ("map", "bootstrap")
    assert record["map"] == pytest.approx(expected.mean())
    assert record["interval"][0] < record["map"] < record["interval"][1]
    per_class = list(record["per_class"].values())
    assert per_class[3] == {"ap": None, "n": 0}
    assert [per_class[c]["ap"] for c in present] == pytest.approx(list(expected))
    assert record["chance"] == pytest.approx(labels[:, present].mean())
    # The test images are the training images, each its own nearest neighbour.
    assert record["readouts"]["knn"]["map"] == 1


def test_chance_is_what_random_scores_reach_where_images_have_several_labels(
    write_features: Callable[..., Path], tmp_path: Path
) -> None:
    features, _ = random_features(4000)
    labels = (np.random.default_rng(0).random((4000, CLASSES)) < 0.2).astype(np.uint8)
    folder = write_features((features, labels), (features, labels), CLASSES)
    record = evaluate(load_features(folder), save_head(tmp_path / "head", random_head(), "map"))
    assert record["map"] == pytest.approx(record["chance"], abs=0.02)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_head_that_says_nothing_answers_with_the_first_class(
    value: float, write_features: Callable[..., Path], tmp_path: Path
) -> None:
    features, labels = random_features(200)
    head = random_head() | {"head.weight": np.zeros((CLASSES, DIMENSION), np.float32)}
    head["head.bias"] = np.zeros(CLASSES, np.float32)
    features[:] = value
    folder = write_features((features, labels), (features, labels), CLASSES)
    record = evaluate(load_features(folder), save_head(tmp_path / "head", head))
    assert record["top1"] == np.mean(labels == 0)
    assert [c["top1"] for c in record["per_class"].values()] == [1.0, *[0.0] * (CLASSES - 1)]


@pytest.mark.parametrize("key", ["encoder_sha256", "dataset_digest"])
def test_a_head_of_another_encoder_or_dataset_is_refused(
    key: str, write_features: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_features(random_features(20), random_features(20), CLASSES)
    head = save_head(tmp_path / "head", random_head(), **{key: "other"})
    with pytest.raises(UserError, match=f"{key} is other"):
        evaluate(load_features(folder), head)


@pytest.mark.parametrize("key", ["readouts", "layer", "train_top1", "encoder_sha256"])
def test_a_head_that_lacks_a_key_is_a_users_error(
    key: str, write_features: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_features(random_features(20), random_features(20), CLASSES)
    head = save_head(tmp_path / "head", random_head())
    metadata = {k: v for k, v in read_metadata(head, "FINETUNED_MODEL").items() if k != key}
    save_model(head, {}, metadata)
    with pytest.raises(UserError, match=f"head: lacks the key '{key}'"):
        evaluate(load_features(folder), head)


def test_a_torn_head_is_a_users_error(write_features: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_features(random_features(20), random_features(20), CLASSES)
    head = save_head(tmp_path / "head", random_head())
    head.write_bytes(head.read_bytes()[:-10])
    with pytest.raises(UserError, match="head"):
        evaluate(load_features(folder), head)


@pytest.mark.parametrize("program", ["evaluate_accuracy", "evaluate_rank", "merge_ranks"])
def test_programs_that_need_numpy_alone_do_not_import_torch(program: str) -> None:
    code = f"import sys, {program}; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS).returncode == 0


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_scores_are_those_of_torch_in_float64_to_the_last_bits(kind: Callable[..., Any]) -> None:
    head, (features, _) = random_head() | hidden_layers(), random_features(50)
    given = {name: kind(array.astype(np.float64)) for name, array in head.items()}
    scores = head_scores(given, kind(features.astype(np.float64)))
    assert isinstance(scores, type(given["head.bias"]))
    np.testing.assert_allclose(scores, torch_scores(head, features), rtol=1e-13, atol=1e-13)
