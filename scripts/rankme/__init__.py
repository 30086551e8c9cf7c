"""RankMe: label-free assessment of self-supervised encoders (Garrido et al., ICML 2023).

Subpackages are loaded when first used, so `import rankme` costs nothing and
`rankme.metrics.rankme(embeddings)` works in a notebook without further imports.
"""

from importlib import import_module
from types import ModuleType

__version__ = "0.2.0"

_SUBMODULES = (
    "analysis",
    "artefacts",
    "augment",
    "data",
    "methods",
    "metrics",
    "models",
    "plots",
    "probes",
    "study",
    "training",
)


def __getattr__(name: str) -> ModuleType:
    if name in _SUBMODULES:
        return import_module(f"rankme.{name}")
    raise AttributeError(f"module 'rankme' has no attribute {name!r}")
