from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rankme.artefacts import load_arrays, read_record
from rankme.data.dataset import load_dataset
from rankme.errors import UserError
from rankme.features import load_features
from rankme.probes.apply import head_scores
from rankme.probes.classifier import load_classifier
from tests.rankme.probes.tiny import CLASSES, SIZE, Tiny, write_model


@pytest.fixture
def results(tiny: Tiny) -> Path:
    """A folder of a run, as it lies in the results tree."""
    model = write_model(tiny.path / "run/PRETRAINED_MODEL")
    replace(tiny, model=model).measure("run/levels")
    return tiny.path / "run"


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
