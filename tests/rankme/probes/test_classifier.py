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


def test_a_loaded_classifier_reproduces_the_accuracy_and_the_scores_of_numpy(
    results: Path, tmp_path: Path
) -> None:
    """Scores to the last bits of a sum, so that a near tie is decided alike; NaN is the lowest."""
    classifier = load_classifier(results / "levels/FINETUNED_MODEL")
    assert not classifier.training
    assert classifier.classes == ["dark", "grey", "bright"]
    test = load_dataset(tmp_path / "levels").splits["test"]
    accuracy = read_record(results / "levels/ACCURACY", "ACCURACY")
    features = load_features(results / "levels/FEATURES").splits["test"].layers["representation"]
    head = load_arrays(results / "levels/FINETUNED_MODEL")
    head = {name: array.astype(np.float64) for name, array in head.items()}
    expected = head_scores(head, features.astype(np.float64))
    for batch_size in (7, 256):
        batches = torch.from_numpy(np.array(test.images)).split(batch_size)
        with torch.no_grad():
            scores = torch.cat([classifier(classifier.prepare(images)) for images in batches])
        correct = (scores.argmax(1).numpy() == test.labels).sum()
        assert correct / accuracy["n"] == accuracy["top1"]
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-12, atol=1e-12)
    diverged = torch.full((2, 3, SIZE, SIZE), float("nan"))
    assert (classifier(diverged) == -torch.inf).all()


def test_a_classifier_takes_an_encoder_from_elsewhere_or_says_that_it_is_missing_or_another(
    results: Path, tmp_path: Path
) -> None:
    head, moved = results / "levels/FINETUNED_MODEL", tmp_path / "elsewhere"
    (results / "PRETRAINED_MODEL").rename(moved)
    with pytest.raises(UserError, match="PRETRAINED_MODEL: no such file"):
        load_classifier(head)
    assert load_classifier(head, encoder=moved).weight.shape[0] == CLASSES
    write_model(results / "PRETRAINED_MODEL", scale=0.5)
    with pytest.raises(UserError, match="was fitted on the encoder"):
        load_classifier(head)
