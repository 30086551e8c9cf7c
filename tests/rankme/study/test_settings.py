"""What a section takes as a value: no text for a number, no number for a truth."""

from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import Field

from rankme.errors import UserError
from rankme.study.mistakes import bare, is_settings, meaning, validated
from rankme.study.places import Compute
from rankme.study.settings import READOUTS, Distinct, List, Probe, Settings
from rankme.study.study import MethodEntry, Study

Pair = Annotated[tuple[int, int], List]


class All(Settings):
    """Of every kind of type."""

    number: float = Field(1, description="A number.")
    whole: int = 1
    switch: bool = True
    text: str = "a"
    either: bool | Literal["auto"] = "auto"
    mixed: Annotated[int, Field(ge=0)] | str | None = None
    numbers: Annotated[tuple[float, ...], List, Distinct] = ()
    pair: Pair = (1, 2)
    pairs: Annotated[tuple[Pair, ...], List] = ()
    by_name: dict[str, Annotated[tuple[int, ...], List]] = {}  # noqa: RUF012 (copied by pydantic)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("number", True, "number: True is not of type number (A number.)"),
        ("number", "1", "number: '1' is not of type number (A number.); write 1 without quotes"),
        ("number", float("nan"), "number: nan is not a finite number (A number.)"),
        ("number", float("-inf"), "number: -inf is not a finite number (A number.)"),
        ("number", None, "number: None is not of type number (A number.)"),
        ("whole", True, "whole: True is not of type integer"),
        ("whole", 1.0, "whole: 1.0 is not of type integer; write 1"),
        ("whole", "3", "whole: '3' is not of type integer; write 3 without quotes"),
        ("whole", "1.5", "whole: '1.5' is not of type integer"),
        ("switch", 1, "switch: 1 is not of type boolean"),
        ("switch", "true", "switch: 'true' is not of type boolean; write true without quotes"),
        ("text", 3, "text: 3 is not of type string; write '3' in quotes"),
        ("text", None, "text: None is not of type string"),
        ("either", 1, "either: 1 is not known; Allowed: true, false, auto"),
        ("either", "Auto", "either: 'Auto' is not known, did you mean 'auto'? Allowed: true,"),
        ("mixed", 1.5, "mixed: 1.5 is not known; Allowed: integer, string"),
        ("mixed", -1, "mixed: -1 is out of bounds, must be >= 0"),
        ("numbers", [1, "x"], "numbers[1]: 'x' is not of type number"),
        ("numbers", [1, True], "numbers[1]: True is not of type number"),
        ("numbers", [1, 1.0], "numbers: [1, 1.0] names 1.0 twice; remove one"),
        ("numbers", "12", "numbers: '12' is not of type array; write [12]"),
        ("pair", [1], "pair: [1] is too short, give at least 2"),
        ("pairs", [[1, 2], [3, "x"]], "pairs[1][1]: 'x' is not of type integer"),
        ("pairs", [3], "pairs[0]: 3 is not of type array; write [3]"),
        ("by_name", {"a": [1, 1.5]}, "by_name.a[1]: 1.5 is not of type integer"),
        ("by_name", {3: [1]}, "by_name[3]: 3 is not of type string; write '3' in quotes"),
        ("by_name", [1], "by_name: [1] is not of type object"),
    ],
)
def test_a_value_of_another_type_is_refused_in_one_line(key: str, value: Any, said: str) -> None:
    with pytest.raises(UserError) as told:
        validated(All, {key: value})
    assert said in str(told.value).splitlines()[0]


def test_what_is_of_the_type_is_made_one_value() -> None:
    given = {"number": 2, "either": False, "numbers": [1, 2], "pairs": [[1, 2]]}
    made = validated(All, given)
    assert repr((made.number, made.either, made.numbers)) == "(2.0, False, (1.0, 2.0))"
    assert made.pairs == ((1, 2),)
    assert repr(All().number) == "1.0"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        All().whole = 3  # type: ignore[misc]


def _every_key(kind: type[Settings]) -> list[tuple[str, str]]:
    """Name and meaning of each key, at every depth."""
    found = []
    for name, field in kind.model_fields.items():
        section = bare(field.annotation)
        found += [(name, meaning(field)), *(_every_key(section) if is_settings(section) else [])]
    return found


@pytest.mark.parametrize("kind", [Study, MethodEntry])
def test_every_key_has_a_meaning(kind: type[Settings]) -> None:
    assert [name for name, about in _every_key(kind) if len(about) < 10] == []


def test_every_readout_is_one_that_a_study_may_name() -> None:
    listed = bare(Probe.model_fields["readouts"].annotation)
    assert get_args(get_args(listed)[0]) == tuple(READOUTS) == Probe().readouts
    assert Probe(readouts=("linear", "knn")).trained_readouts() == ["linear"]


@pytest.mark.parametrize(
    ("values", "processes"),
    [({}, 1), ({"gpus": 4}, 4), ({"processes": 3}, 3), ({"gpus": 4, "processes": 2}, 2)],
)
def test_there_is_one_process_a_gpu_unless_the_config_says_otherwise(
    values: dict[str, int], processes: int
) -> None:
    assert Compute(**values).processes_a_node == processes


def test_a_job_on_one_node_asks_for_nothing_special() -> None:
    assert Compute(gpus=4).node_resources() == {}


def test_a_job_on_several_nodes_asks_for_equal_gpus_on_each_and_one_task() -> None:
    resources = Compute(gpus=4, nodes=2, gpu_kind="a100").node_resources()
    assert resources["gres"] == "gpu:a100:4"
    assert (resources["nodes"], resources["tasks"]) == (2, 2)
    assert "gres" not in Compute(nodes=2).node_resources()


def test_memory_and_time_double_at_each_retry_up_to_their_limits() -> None:
    compute = Compute(mem_mb=1000, max_mem_mb=3000, runtime=10, max_runtime=15)
    assert [compute.memory(attempt) for attempt in (1, 2, 3)] == [1000, 2000, 3000]
    assert [compute.training_time(attempt) for attempt in (1, 2)] == [10, 15]
    assert [compute.evaluation_time(attempt) for attempt in (1, 2)] == [15, 15]
