"""Configs that tests change, and what is said of them."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
import yaml
from pydantic import create_model

from rankme.errors import UserError
from rankme.plugins import LIBRARY
from rankme.study.config import load_study
from rankme.study.settings import Settings
from rankme.study.study import Study

CONFIG = Path(__file__).resolve().parents[3] / "config"
STUDIES = sorted(set(CONFIG.glob("*.yaml")) - {CONFIG / "datasets.yaml"})

DECISIVE = ("encoder", "projector", "augmentation", "training", "rank", "probe")
"""Sections of a study that decide a result."""

Config = dict[str, Any]

_S = TypeVar("_S", bound=Settings)


def changed(change: str | Config) -> Config:
    """config/config.yaml with a change in YAML: mappings are merged, all else is replaced."""
    config: Config = yaml.safe_load((CONFIG / "config.yaml").read_text())
    return _merged(config, yaml.safe_load(change) if isinstance(change, str) else change)


def _merged(config: Config, change: Config) -> Config:
    for key, value in change.items():
        known = config.get(key)
        both = isinstance(known, dict) and isinstance(value, dict)
        config[key] = _merged(known, value) if both else value
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


def with_a_new_key(section: _S) -> _S:
    """The section as the next release may have it."""
    kind: Any = create_model("Next", __base__=type(section), brand_new=(float, 3))
    return cast(_S, kind(**vars(section)))


def mistakes(change: str | Config) -> list[str]:
    """What is said of a config with a change that is wrong, line by line."""
    with pytest.raises(UserError) as told:
        load_study(changed(change))
    return str(told.value).splitlines()


def cases(text: str) -> list[tuple[str, str]]:
    """YAML, each with what is said of it in the line below."""
    return re.findall(r"^(\S.*)\n    (.*)$", text, re.MULTILINE)


def assert_one_mistake(change: str | Config, said: str) -> None:
    """What is said of a config with a change is one line, as in `assert_said`."""
    (line,) = mistakes(change)
    assert_said(line, said)


def assert_said(text: str, said: str) -> None:
    """A text begins with the first part of `said` and has the others, which stand between dots."""
    first, *others = said.split("...")
    assert text.startswith(first), text
    assert all(part in text for part in others), text


def loaded_by(statements: str) -> set[str]:
    """The modules that a new Python has loaded after some statements."""
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY.parent)}
    command = [sys.executable, "-c", f"{statements}; import sys; print(*sys.modules)"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(shown.stdout.split())
