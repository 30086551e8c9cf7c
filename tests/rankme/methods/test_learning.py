"""Each of the paper's methods learns at its default hyperparameters: trained on the default
study's shapes, its encoder beats the one it started from.

On the study's textures by MARGIN, and on the shapes themselves. Accuracy gained there:
"""

import pytest

from tests.rankme.methods.learning import gain

METHODS = ["SimCLR", "VICReg", "VICReg-exp", "VICReg-ctr", "DINO"]
MARGIN = 0.1
CEILING_MARGIN = 0.3

# Most of its views are crops of 14 pixels, which show little: it takes more and smaller steps.
TRAINING = {"DINO": {"batch_size": 16}}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("method", METHODS)
def test_a_method_beats_its_initial_encoder_and_does_not_collapse(
    method, shapes, textures, tmp_path
):
    assert gain(method, shapes, textures, tmp_path, **TRAINING.get(method, {})) > MARGIN


def test_the_supervised_encoder_is_far_above_the_random_one(shapes, tmp_path):
    assert gain("Supervised", shapes, shapes, tmp_path, epochs=4) > CEILING_MARGIN
