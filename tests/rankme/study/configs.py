"""Configs that tests change, and what is said of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rankme.errors import UserError
from rankme.study.config import load_study
from rankme.study.study import Study

CONFIG = Path(__file__).resolve().parents[3] / "config"
STUDIES = sorted(set(CONFIG.glob("*.yaml")) - {CONFIG / "datasets.yaml"})

Config = dict[str, Any]


def the_default() -> Config:
    """config/config.yaml, to be changed."""
    config: Config = yaml.safe_load((CONFIG / "config.yaml").read_text())
    return config


def a_study(**changes: Any) -> Study:
    """A study of two datasets and one method with a sweep."""
    simclr = {"name": "SimCLR", "default": {"temperature": 0.2}, "sweeps": {"temperature": [0.1]}}
    config = {
        "datasets": {name: {"reader": "shapes", "size": 32} for name in "ab"},
        "source": "a",
        "targets": ["b"],
        "encoder": {"name": "resnet10"},
        "projector": {"widths": [8]},
        "augmentation": {"recipe": "simclr"},
        "training": {"lr": 0.5, "optimizer": "adamw"},
        "methods": [simclr],
    }
    return load_study({**config, **changes})


def mistakes(config: Config) -> list[str]:
    """What is said of a config that is wrong, line by line."""
    with pytest.raises(UserError) as told:
        load_study(config)
    return str(told.value).splitlines()
