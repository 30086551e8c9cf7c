import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import recall_score, top_k_accuracy_score

from rankme.artefacts import save_model
from rankme.cli import ROOT
from rankme.errors import UserError
from rankme.features import load_features
from rankme.probes.classifier import Classifier
from rankme.probes.evaluate import evaluate, truth_ranks, wilson_interval

CLASSES, DIMENSION = 7, 6


def random_head(seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        "head.weight": generator.normal(size=(CLASSES, DIMENSION)).astype(np.float32),
        "head.bias": generator.normal(size=CLASSES).astype(np.float32),
        "features.mean": generator.normal(size=DIMENSION).astype(np.float32),
        "features.std": generator.uniform(0.5, 2, DIMENSION).astype(np.float32),
    }


def random_features(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, DIMENSION)).astype(np.float32)
    return features, generator.integers(CLASSES, size=count)


def torch_logits(head: dict[str, np.ndarray], features: np.ndarray) -> torch.Tensor:
    tensors = {name: torch.from_numpy(array) for name, array in head.items()}
    classifier = Classifier(
        torch.nn.Identity(),
        tensors["features.mean"],
        tensors["features.std"],
        tensors["head.weight"],
        tensors["head.bias"],
    )
    with torch.no_grad():
        return classifier(torch.from_numpy(features))


def save_head(path: Path, head: dict[str, np.ndarray], **changes: Any) -> Path:
    metadata = {
        "artefact": "FINETUNED_MODEL",
        "dataset_digest": "d0",
        "encoder_sha256": "e0",
        "status": "completed",
        "train_top1": 0.5,
        "head": {"lr": 0.1},
    }
    tensors = {name: torch.from_numpy(array) for name, array in head.items()}
    save_model(path, tensors, metadata | changes)
    return path


@given(n=st.integers(1, 100_000), share=st.floats(0, 1), confidence=st.sampled_from([0.9, 0.95]))
def test_the_wilson_interval_is_that_of_scipy(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(successes, n, confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


def test_accuracies_are_those_of_scikit_learn_on_the_classifier_s_logits(
    write_features: Callable[..., Path], tmp_path: Path
) -> None:
    head, (features, labels) = random_head(), random_features(3000)
    folder = write_features(random_features(20), (features, labels), CLASSES)
    record = evaluate(load_features(folder), save_head(tmp_path / "head", head))
    logits = torch_logits(head, features).numpy()
    everything = list(range(CLASSES))
    for k in (1, 5):
        expected = top_k_accuracy_score(labels, logits, k=k, labels=everything)
        assert record[f"top{k}"] == pytest.approx(expected)
    recalls = recall_score(labels, logits.argmax(1), average=None)
    assert [c["top1"] for c in record["per_class"].values()] == pytest.approx(list(recalls))
    assert sum(c["n"] for c in record["per_class"].values()) == record["n"] == 3000
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


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_head_that_says_nothing_answers_with_the_first_class(value: float) -> None:
    features, labels = random_features(200)
    head = random_head() | {"head.weight": np.zeros((CLASSES, DIMENSION), np.float32)}
    head["head.bias"] = np.zeros(CLASSES, np.float32)
    features[:] = value
    assert np.array_equal(truth_ranks(head, features, labels), labels)


@pytest.mark.parametrize("key", ["encoder_sha256", "dataset_digest"])
def test_a_head_of_another_encoder_or_dataset_is_refused(
    key: str, write_features: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_features(random_features(20), random_features(20), CLASSES)
    head = save_head(tmp_path / "head", random_head(), **{key: "other"})
    with pytest.raises(UserError, match=f"{key} is other"):
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
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts").returncode == 0


def test_the_classifier_scores_as_the_heads_it_was_fitted_as() -> None:
    from rankme.probes.linear import Heads

    head, (features, _) = random_head(), random_features(50)
    heads = Heads(
        torch.from_numpy(head["features.mean"]),
        torch.from_numpy(head["features.std"]),
        torch.from_numpy(head["head.weight"])[None],
        torch.from_numpy(head["head.bias"])[None],
    )
    expected = heads.logits(torch.from_numpy(features))[:, 0]
    torch.testing.assert_close(torch_logits(head, features), expected)
