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
Arrays = tuple[np.ndarray, np.ndarray]
Head = dict[str, np.ndarray]
Measure = Callable[..., dict[str, Any]]


def random_head(seed: int = 0) -> Head:
    generator = np.random.default_rng(seed)
    return {
        "head.weight": generator.normal(size=(CLASSES, DIMENSION)).astype(np.float32),
        "head.bias": generator.normal(size=CLASSES).astype(np.float32),
        "features.mean": generator.normal(size=DIMENSION).astype(np.float32),
        "features.std": generator.uniform(0.5, 2, DIMENSION).astype(np.float32),
    }


def hidden_layers() -> Head:
    generator, layers = np.random.default_rng(3), {}
    for layer in ("hidden.0", "hidden.1"):
        layers[f"{layer}.weight"] = generator.normal(size=(DIMENSION,) * 2).astype(np.float32)
        layers[f"{layer}.bias"] = generator.normal(size=DIMENSION).astype(np.float32)
    return layers


def random_features(count: int, seed: int = 1) -> Arrays:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, DIMENSION)).astype(np.float32)
    return features, generator.integers(CLASSES, size=count)


def several_labels(count: int) -> Arrays:
    labels = np.random.default_rng(0).random((count, CLASSES)) < 0.2
    return random_features(count)[0], labels.astype(np.uint8)


def torch_scores(head: Head, features: np.ndarray) -> np.ndarray:
    tensors = {name: torch.from_numpy(array).double() for name, array in head.items()}
    inputs = torch.from_numpy(features).double()
    inputs = (inputs - tensors["features.mean"]) / tensors["features.std"]
    for layer in ("hidden.0", "hidden.1"):
        if f"{layer}.weight" in tensors:
            weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]
            inputs = nn.functional.linear(inputs, weight, bias).relu()
    scores = nn.functional.linear(inputs, tensors["head.weight"], tensors["head.bias"])
    return scores.numpy()


def about(metric: str = "top1", layer: str = "representation", **head: Any) -> dict[str, Any]:
    return {"layer": layer, "status": "completed", "head": head, f"train_{metric}": 0.5}


@pytest.fixture
def measure(write_features: Callable[..., Path], tmp_path: Path) -> Measure:
    """The ACCURACY record of a head on test features; what is in `changes` is in its metadata."""

    def measured(
        test: Arrays, head: Head, *, train: Any = None, classes: int = CLASSES, **changes: Any
    ) -> dict[str, Any]:
        metric = "top1" if test[1].ndim == 1 else "map"
        metadata = {
            "artefact": "FINETUNED_MODEL",
            "dataset_digest": "d0",
            "encoder_sha256": "e0",
            "readouts": {},
            **about(metric, lr=0.1),
        }
        tensors = {name: torch.from_numpy(array) for name, array in head.items()}
        save_model(tmp_path / "head", tensors, metadata | changes)
        features = load_features(write_features(train or test, test, classes))
        return evaluate(features, tmp_path / "head")

    return measured


def test_accuracies_are_those_of_scikit_learn_on_the_scores_of_torch(measure: Measure) -> None:
    head, (features, labels) = random_head(), random_features(3000)
    record, scores = measure((features, labels), head), torch_scores(head, features)
    for k in (1, 5):
        expected = top_k_accuracy_score(labels, scores, k=k, labels=range(CLASSES))
        assert record[f"top{k}"] == pytest.approx(expected)
    recalls = recall_score(labels, scores.argmax(1), average=None)
    assert [c["top1"] for c in record["per_class"].values()] == pytest.approx(list(recalls))
    assert sum(c["n"] for c in record["per_class"].values()) == record["n"] == 3000
    assert record["metric"] == "top1"
    assert record["chance"] == 1 / CLASSES
    assert record["majority"] == np.bincount(labels).max() / 3000


def test_of_few_classes_top5_is_certain_and_one_without_test_images_has_no_accuracy(
    measure: Measure,
) -> None:
    head, (features, labels) = random_head(), random_features(100)
    head |= {name: head[name][:4] for name in ("head.weight", "head.bias")}
    record = measure((features, labels % 3), head, classes=4)
    assert record["top1"] < record["top5"] == 1.0
    assert record["per_class"]["class 3"] == {"top1": None, "n": 0}


def test_every_readout_is_measured_on_its_own_features_and_tensors(measure: Measure) -> None:
    train, (features, labels) = random_features(300, seed=2), random_features(500)
    main, embedding, mlp = random_head(), random_head(1), random_head(2) | hidden_layers()
    embedding |= {n: embedding[n][..., :2] for n in embedding if n != "head.bias"}
    prefixed = {f"embedding.{n}": t for n, t in embedding.items()}
    prefixed |= {f"mlp.{n}": t for n, t in mlp.items()}
    readouts = {
        "embedding": about(layer="embedding", lr=1.0),
        "knn": about(k=5),
        "mlp": about(lr=2.0),
    }
    record = measure((features, labels), main | prefixed, train=train, readouts=readouts)
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
    measure: Measure,
) -> None:
    (features, labels), head = several_labels(400), random_head()
    labels[:, 3] = 0
    record = measure((features, labels), head, readouts={"knn": about("map", k=1)})
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
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankme.probes.measures.RESAMPLES", 100)
    record = measure(several_labels(4000), random_head())
    assert record["map"] == pytest.approx(record["chance"], abs=0.02)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_head_that_says_nothing_answers_with_the_first_class(
    value: float, measure: Measure
) -> None:
    features, labels = random_features(200)
    features[:] = value
    silent = {name: np.zeros_like(random_head()[name]) for name in ("head.weight", "head.bias")}
    record = measure((features, labels), random_head() | silent)
    assert record["top1"] == np.mean(labels == 0)
    assert [c["top1"] for c in record["per_class"].values()] == [1.0, *[0.0] * (CLASSES - 1)]


def test_a_head_of_another_encoder_or_dataset_a_torn_one_and_one_without_a_key_are_users_errors(
    measure: Measure, tmp_path: Path
) -> None:
    for key in ("encoder_sha256", "dataset_digest"):
        with pytest.raises(UserError, match=f"{key} is other"):
            measure(random_features(20), random_head(), **{key: "other"})
    measure(random_features(20), random_head(), readouts={"knn": about(k=1)})
    head, features = tmp_path / "head", load_features(tmp_path / "FEATURES")
    whole = read_metadata(head, "FINETUNED_MODEL")
    for key in ("readouts", "layer", "train_top1", "encoder_sha256"):
        save_model(head, {}, {k: v for k, v in whole.items() if k != key})
        with pytest.raises(UserError, match=f"head: lacks the key '{key}'; delete it and run"):
            evaluate(features, head)
    save_model(head, {}, whole | {"readouts": {"knn": {"layer": "representation"}}})
    with pytest.raises(UserError, match="head: lacks the key 'status'; delete it and run"):
        evaluate(features, head)
    head.write_bytes(head.read_bytes()[:-10])
    with pytest.raises(UserError, match="head: is not a whole safetensors file"):
        evaluate(features, head)


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
