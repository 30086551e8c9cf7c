"""JSON results, read with every value checked."""

from math import nan
from numbers import Number
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from rankme.artefacts import read_record
from rankme.errors import UserError

_KINDS: dict[type, str] = {Number: "a number", str: "a text", dict: "an object", list: "a list"}


class Record:
    """A JSON result whose missing or mistyped values are reported with its file.

    Raises:
        UserError: the file is missing or invalid, or, in every method, a value is.
    """

    def __init__(self, path: Path, artefact: str) -> None:
        self.path = path
        self._content = read_record(path, artefact)

    def get(self, *keys: str, kind: type = object) -> Any:
        """The value at nested keys, refused where it is missing or not of that kind."""
        value: Any = self._content
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                self._refuse(f"has no {'.'.join(keys)}")
            value = value[key]
        # JSON's true would pass for the number 1.
        if not isinstance(value, kind) or (kind is Number and isinstance(value, bool)):
            self._mistyped(keys, value, _KINDS[kind])
        return value

    def measured(self, dataset: str, layer: str, metric: str) -> float:
        """A metric's value; NaN where it is null or, but for RankMe, was not measured."""
        values = self.get("datasets", dataset, layer, kind=dict)
        if values.get(metric) is None and (metric in values or metric != "rankme"):
            return nan
        return float(self.get("datasets", dataset, layer, metric, kind=Number))

    def numbers(self, *keys: str) -> np.ndarray:
        """The list of numbers at nested keys."""
        values = self.get(*keys, kind=list)
        try:
            return np.array(values, float)
        except (TypeError, ValueError):
            self._mistyped(keys, values, "numbers")

    def objects(self, *keys: str) -> list[dict[str, Any]]:
        """The list of objects at nested keys; empty where the last is missing or null."""
        values: list[Any] = self.get(*keys[:-1], kind=dict).get(keys[-1]) or []
        if not (isinstance(values, list) and all(isinstance(value, dict) for value in values)):
            self._mistyped(keys, values, "a list of objects")
        return values

    def interval(self, *keys: str) -> tuple[float, float]:
        """The two numbers at "interval"."""
        bounds = self.get(*keys, "interval", kind=list)
        if len(bounds) != 2 or not all(isinstance(bound, int | float) for bound in bounds):
            self._mistyped((*keys, "interval"), bounds, "two numbers")
        return bounds[0], bounds[1]

    def _mistyped(self, keys: tuple[str, ...], value: Any, expected: str) -> NoReturn:
        self._refuse(f"{'.'.join(keys)} is {value!r:.40}, expected {expected}")

    def _refuse(self, fault: str) -> NoReturn:
        raise UserError(f"{self.path}: {fault}; delete it and run snakemake again to remake it")
