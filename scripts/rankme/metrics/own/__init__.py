"""Metrics of your own, one file a metric, found by being here; docs/extending.md shows one.

A file offers `METRIC`, a `Metric` that says how it is called and read, and
`measure(embeddings, spectrum) -> float` of a matrix N x K of finite numbers and its `Spectrum`. The
name of the file is the metric's in tables and records.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

OWN: dict[str, ModuleType] = {
    module.name: import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)
}
