"""Keys come and defaults change with each release; runs keep their names, and none collide."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import create_model

from rankme.errors import UserError
from rankme.study.choices import encoders, methods, reader_options, readers
from rankme.study.datasets import Pixels
from rankme.study.identity import canonical, digest, introduced, plain, revived
from rankme.study.mistakes import bare, is_settings
from rankme.study.runs import RunSettings, run_from_json, run_name, runs
from rankme.study.settings import EncoderSettings, Probe, Rank, Settings, Training, key
from rankme.study.study import Study
from tests.rankme.study.configs import DECISIVE, a_study, with_a_new_key

SNAPSHOT = Path(__file__).with_name("introduced.json")


def a_run() -> RunSettings:
    return runs(a_study())[0].settings


@pytest.mark.parametrize("section", [n for n, v in vars(a_run()).items() if is_settings(type(v))])
def test_a_key_added_to_a_section_renames_no_run(section: str) -> None:
    run = a_run()
    later = run.model_copy(update={section: with_a_new_key(getattr(run, section))})
    assert plain(later) == plain(run)
    usual = {**vars(later.training), **vars(later.hyperparameters)}
    assert run_name(later, usual, digest(later)[:8]) == runs(a_study())[0].name


def test_a_section_or_option_added_to_all_runs_renames_none() -> None:
    run = a_run()
    kind = create_model("Next", __base__=RunSettings, more=(Rank, Rank()))
    assert digest(kind(**vars(run))) == digest(run)
    source = run.source
    options = source.model_copy(update={"options": with_a_new_key(source.options)})
    assert digest(run.model_copy(update={"source": options})) == digest(run)


class Before(Settings):
    rate: float = key(0.1, "As it was.")


class After(Settings):
    rate: float = key(0.2, "As it is.", introduced=0.1)


def test_a_changed_default_leaves_old_runs_alone_and_tells_new_ones_apart() -> None:
    assert plain(After(rate=0.1)) == plain(Before()) == {}
    assert plain(After()) == {"rate": 0.2}
    assert revived(After, {}, "run").rate == 0.1
    assert revived(After, {"rate": 0.2}, "run") == After()


def test_a_section_whose_own_defaults_changed_is_not_taken_for_the_old_one() -> None:
    """A section that is left out means that of its keys' introduced values."""
    kind = create_model("Whole", __base__=Settings, section=(After, After()))
    assert plain(kind()) == {"section": {"rate": 0.2}}
    assert plain(kind(section=After(rate=0.1))) == {}
    assert revived(kind, {}, "run") == kind(section=After(rate=0.1))


def test_a_section_that_is_absent_is_not_one_whose_keys_are() -> None:
    kind = create_model("Whole", __base__=Settings, section=(Before | None, None))
    assert plain(kind()) == {}
    assert plain(kind(section=Before())) == {"section": {}}
    for whole in (kind(), kind(section=Before())):
        assert revived(kind, plain(whole), "run") == whole


def test_a_section_on_its_own_is_checked_and_completed_as_in_a_config() -> None:
    assert revived(Rank, {"samples": 64}, "--rank") == Rank(samples=64)
    with pytest.raises(UserError, match=r"--probe\.epochs: 'x' is not of type integer"):
        revived(Probe, {"epochs": "x"}, "--probe")
    with pytest.raises(UserError, match=r"--probe\.crop_scale: \[1.0, 0.5\] must rise"):
        revived(Probe, {"crop_scale": [1.0, 0.5]}, "--probe")
    with pytest.raises(UserError, match=r"--rank: \[\] is not of type object"):
        revived(Rank, [], "--rank")


def test_the_json_form_of_defaults_is_small() -> None:
    assert plain(Training()) == plain(Rank()) == plain(Probe()) == {}
    run = runs(a_study(encoder={}, projector={}, augmentation={}, training={}))[0].settings
    assert plain(run) == {
        "method": "SimCLR",
        "hyperparameters": {"temperature": 0.2},
        "source": {"name": "a", "reader": "shapes", "size": 32},
        "encoder": {},
        "projector": {},
        "augmentation": {},
        "training": {},
        "seed": 0,
    }


def drawn(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a JSON schema allows, small ones and defaults among them."""
    if "default" in schema:
        known = {key: value for key, value in schema.items() if key != "default"}
        return st.just(schema["default"]) | drawn(known)
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return st.one_of([drawn(part) for part in schema["anyOf"]])
    match schema["type"]:
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
            high = schema.get("maximum", schema.get("exclusiveMaximum", 1e6))
            return st.floats(
                low,
                high,
                exclude_min="exclusiveMinimum" in schema,
                exclude_max="exclusiveMaximum" in schema,
            )
        case "array" if "prefixItems" in schema:
            return st.tuples(*map(drawn, schema["prefixItems"])).map(sorted)
        case "array":
            least, most = schema.get("minItems", 0), schema.get("maxItems", 4)
            return st.lists(drawn(schema["items"]), min_size=least, max_size=most, unique=True)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return st.just("text")


def drawn_settings(kind: type[Settings], **fixed: Any) -> st.SearchStrategy[Any]:
    """Settings of a class, any keys of which are given and any left out."""
    keys = {n: drawn(schema) for n, schema in _keys(kind).items() if n not in (*fixed, "readouts")}
    return st.fixed_dictionaries({}, optional=keys).map(lambda given: kind(**fixed, **given))


@cache
def _keys(kind: type[Settings]) -> dict[str, Any]:
    return kind.model_json_schema().get("properties", {})


@st.composite
def drawn_runs(draw: st.DrawFn) -> RunSettings:
    run = a_run()
    method = draw(st.sampled_from(sorted(methods())))
    reader = draw(st.sampled_from(["shapes", "digits", "image_folder", "cifar"]))
    options = draw(drawn_settings(reader_options(reader)))
    return run.model_copy(
        update={
            "method": method,
            "hyperparameters": draw(drawn_settings(methods()[method].hyperparameters)),
            "source": run.source.model_copy(update={"reader": reader, "options": options}),
            "training": draw(drawn_settings(Training)),
            "augmentation": draw(drawn_settings(type(run.augmentation), recipe="byol")),
            "projector": draw(drawn_settings(type(run.projector))),
            "encoder": draw(drawn_settings(encoders()["resnet18"], name="resnet18")),
        }
    )


@settings(deadline=None)
@given(drawn_runs())
def test_any_run_is_the_same_after_its_json(run: RunSettings) -> None:
    assert run_from_json(canonical(run)) == run


@settings(deadline=None)
@given(drawn_settings(Probe), drawn_settings(Probe), drawn_settings(Training))
def test_settings_have_one_json_form_if_and_only_if_they_are_equal(
    one: Probe, other: Probe, training: Training
) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)
    assert revived(Probe, json.loads(canonical(one)), "probe") == one
    whole = Training(**training.model_dump())
    assert canonical(whole) == canonical(training)


def _introduced() -> Iterator[tuple[str, Any]]:
    """Every key that decides a result and has a default, with its introduced value."""
    kinds: dict[str, type[Settings]] = {"dataset": Pixels}
    kinds |= {name: bare(Study.model_fields[name].annotation) for name in DECISIVE}
    kinds |= {name: offer.hyperparameters for name, offer in methods().items()}
    kinds |= {name: kind for name, kind in encoders().items() if kind is not EncoderSettings}
    kinds |= {f"reader {name}": reader_options(name) for name in readers()}
    for place, kind in kinds.items():
        for name, field in kind.model_fields.items():
            if not field.is_required() and not is_settings(bare(field.annotation)):
                yield f"{place}: {name}", json.loads(json.dumps(introduced(field)))


def test_every_default_is_the_one_that_its_key_was_introduced_at() -> None:
    """Results that others have made are named by these values."""
    known = json.loads(SNAPSHOT.read_text())
    found = dict(_introduced())
    changed = [
        f"{name}: its default was {known[name]!r}; keep that as introduced={known[name]!r} beside"
        " the new one, or every old run gets another name"
        for name, value in found.items()
        if name in known and value != known[name]
    ]
    added = {name: value for name, value in found.items() if name not in known}
    assert not changed, "\n".join(changed)
    assert not added, f"add to {SNAPSHOT}: {json.dumps(added)}"
    assert not known.keys() - found.keys(), "a key that is gone cannot be read in old runs"
