"""The pages made from the settings: schemas by which editors check, and a page for people."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from rankme.study import reference, schemas
from rankme.study.choices import encoders
from rankme.study.config import load_study
from rankme.study.schemas import DATASETS_FILE, config_schema, datasets_schema
from rankme.study.settings import EncoderSettings
from rankme.yaml_files import with_numbers
from tests.rankme.study.configs import CONFIG, STUDIES, Config, changed, loaded_by, mistakes

README = (CONFIG / "README.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
assert len(EXAMPLES) == 3


def accepts(config: Config) -> bool:
    datasets = Resource.from_contents(datasets_schema())
    registry: Any = Registry().with_resource(DATASETS_FILE, datasets)
    return Draft202012Validator(config_schema(), registry=registry).is_valid(with_numbers(config))


def test_the_schemas_are_json_schemas() -> None:
    for schema in (config_schema(), datasets_schema()):
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_the_schema_accepts_every_config_of_the_project(file: Path) -> None:
    assert accepts(yaml.safe_load(file.read_text()))


def test_the_schema_of_datasets_accepts_the_built_in_ones() -> None:
    declared = yaml.safe_load((CONFIG / "datasets.yaml").read_text())
    assert Draft202012Validator(datasets_schema()).is_valid(declared)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_page_is_a_study(example: str) -> None:
    config = yaml.safe_load(example)
    assert load_study(config).methods
    assert accepts(config)


REFUSED = """
sorce: shapes
source: null
seeds: []
targets: [digits, digits]
training: {epoch: 3}
training: {lr: 0}
training: {compile: 'yes'}
encoder: {name: resnet17}
encoder: {depth: 3}
augmentation: {recipe: SimCLR}
augmentation: {crop_scale: [0.1]}
probe: {readouts: [knn]}
methods: [SimCLR]
methods: [{name: SimCRL}]
methods: [{name: SimCLR, default: {temperature: 0}}]
methods: [{name: SimCLR, default: {covariance: 1}}]
methods: [{name: SimCLR, default: {lr: [0.1]}}]
methods: [{name: SimCLR, sweeps: {temperature: 0.1}}]
methods: [{name: SimCLR, sweeps: {lr: [0.1, -1]}}]
methods: [{name: SimCLR, grid: {seed: [0, 1]}}]
datasets: {My Photos: {reader: shapes, size: 32}}
datasets: {mine: {reader: shape, size: 32}}
datasets: {mine: {reader: shapes}}
datasets: {mine: {reader: shapes, size: 32, options: {variant: 10}}}
datasets: {mine: {reader: cifar, size: 32, options: {variant: 11}}}
datasets: {a: {reader: shapes, size: 32, archive: {url: 'http://a', unpacked_mb: 1}}}
"""


@pytest.mark.parametrize("change", REFUSED.strip().splitlines())
def test_the_schema_refuses_what_the_program_refuses(change: str) -> None:
    assert mistakes(change)
    assert not accepts(changed(change))


def test_an_encoder_with_settings_of_its_own_is_in_the_schema(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Options(EncoderSettings):
        depth: int = 3

    known = encoders() | {"net": Options}
    monkeypatch.setitem(schemas._NAMES, ("EncoderSettings", "name"), lambda: known)
    monkeypatch.setattr(schemas, "encoders", lambda: known)
    assert accepts(changed("encoder: {name: net, depth: 4}"))
    for wrong in ("{name: net, depth: x}", "{name: resnet10, depth: 4}", "{name: net, dept: 4}"):
        assert not accepts(changed(f"encoder: {wrong}"))


def test_the_pages_are_as_the_classes_say() -> None:
    """If not: python -m rankme.study.reference"""
    for file, text in reference.pages().items():
        assert file.read_text(encoding="utf-8") == text, file


def test_a_page_that_differs_is_named_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {tmp_path / "same.md": "same", tmp_path / "old.md": "new", tmp_path / "none.md": "new"}
    for name in ("same", "old"):
        (tmp_path / f"{name}.md").write_text(name)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "pages", lambda: pages)
    monkeypatch.setattr(sys, "argv", ["reference", "--check"])
    with pytest.raises(SystemExit, match=r"^old\.md, none\.md: not as its classes say; run `pyth"):
        reference.main()
    monkeypatch.setattr(sys, "argv", ["reference"])
    reference.main()
    assert {file: file.read_text() for file in pages} == pages


def test_the_pages_need_no_torch() -> None:
    assert "torch" not in loaded_by("import rankme.study.reference as r; r.pages()")
