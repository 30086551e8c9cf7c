"""A study: config -> runs -> directory names. No Snakemake, nothing that is slow to import.

A *point* is one setting of a method's hyperparameters; a *run* is a point with a seed. A run's
settings hold everything that decides its weights, and a hash of all of them ends its directory
name, so a run is trained once however many sweeps, grids or studies reach it.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from rankme.errors import UserError

LIBRARY = Path(__file__).resolve().parents[1] / "scripts" / "rankme"

# Keys of a dataset's declaration that decide its pixels and labels; where it lies does not.
DATA_KEYS = ("reader", "size", "options", "skip_unreadable")


@dataclass(frozen=True)
class Run:
    """One pretraining run.

    Attributes:
        method: name of the method, and of its directory.
        name: the <hparams> directory, such as `lr=0.5+temperature=0.15+seed=0-3f9a2c1b`.
        sweep: "default", "grid" or the hyperparameter whose sweep reached it first.
        settings: everything that decides the weights, as plain JSON values.
    """

    method: str
    name: str
    sweep: str
    settings: dict[str, Any]


def runs(study: Mapping[str, Any]) -> list[Run]:
    """Every run of a resolved study once, in the order of the config.

    Args:
        study: a config with all defaults filled in, its `datasets` a mapping of declarations.
    """
    found: dict[tuple[str, str], Run] = {}
    for entry in study["methods"]:
        usual = {**study["training"], **entry["default"]}
        for sweep, point in points(entry):
            for seed in seeds(study, sweep):
                settings = run_settings(study, entry["name"], point, seed)
                name = run_name(settings, usual)
                identity = settings_hash(settings)
                found.setdefault(
                    (entry["name"], identity), Run(entry["name"], name, sweep, settings)
                )
    return list(found.values())


def points(entry: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The points of one method: its default, one-at-a-time sweeps around it, then its grid."""
    default = dict(entry["default"])
    if entry["sweeps"] or not entry["grid"]:
        yield "default", default
    for name, values in entry["sweeps"].items():
        for value in values:
            yield name, {**default, name: value}
    if entry["grid"]:
        for values in product(*entry["grid"].values()):
            yield "grid", {**default, **dict(zip(entry["grid"], values, strict=True))}


def seeds(study: Mapping[str, Any], sweep: str) -> list[int]:
    """Seeds of a point: the default point may have more, to measure the noise between seeds."""
    return study["seeds"] + [s for s in study["default_seeds"] if sweep == "default"]


def run_settings(
    study: Mapping[str, Any], method: str, point: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Everything that decides a run's weights: the study's sections, overlaid by the point."""
    own = methods()[method]
    declaration = study["datasets"][study["source"]]
    return {
        "method": method,
        "hyperparameters": {name: point.get(name, own[name]["default"]) for name in own},
        "source": {"name": study["source"]} | {k: declaration[k] for k in DATA_KEYS},
        "encoder": dict(study["encoder"]),
        "projector": dict(study["projector"]),
        "augmentation": dict(study["augmentation"]),
        "training": {key: point.get(key, value) for key, value in study["training"].items()},
        "seed": seed,
    }


def run_name(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """The directory of a run: readable values, then a short hash of all settings.

    The learning rate and the method's own hyperparameters always show, any other value where the
    run departs from `usual`, the training at its method's default point. So adding a sweep renames
    no run. Values are joined by `+`: a comma would make Slurm jobs build the wrong file
    (snakemake#2366).
    """
    training = settings["training"]
    shown = {"lr": training["lr"], **settings["hyperparameters"]}
    shown |= {key: value for key, value in training.items() if value != usual[key]}
    shown["seed"] = settings["seed"]
    readable = "+".join(f"{name}={_plain(value)}" for name, value in shown.items())
    return f"{readable}-{settings_hash(settings)}"


def settings_hash(settings: Mapping[str, Any]) -> str:
    """First 8 hexadecimal digits of the SHA-256 of the settings as canonical JSON."""
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def evaluation_datasets(study: Mapping[str, Any]) -> list[str]:
    """Datasets that every run is evaluated on: its source, then the targets."""
    return [study["source"], *study["targets"]]


def labelled_datasets(study: Mapping[str, Any]) -> list[str]:
    """Those of them that have labels; on the others runs are ranked and nothing is probed."""
    return [
        name for name in evaluation_datasets(study) if has_labels(study["datasets"][name]["reader"])
    ]


def has_labels(reader: str) -> bool:
    """Whether a reader's datasets have labels: it says `LABELLED = False` if they have none."""
    return bool(_module_literals(LIBRARY / "data/readers" / f"{reader}.py").get("LABELLED", True))


def data_declaration(study: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """What decides the pixels and labels of a dataset; moving its files changes none of it."""
    declaration = study["datasets"][dataset]
    return {key: declaration[key] for key in DATA_KEYS}


def processes(compute: Mapping[str, Any]) -> int:
    """Processes on each node that train one encoder together."""
    return int(compute["processes"] or max(1, compute["gpus"]))


def node_resources(compute: Mapping[str, Any]) -> dict[str, Any]:
    """What a job on several nodes asks for beside what it asks for on one.

    One task a node, which `scripts/launch.py` starts itself (so "mpi": Snakemake is not to), and as
    many GPUs on each: their sum alone may be split unevenly.
    """
    count, kind = compute["nodes"], compute["gpu_kind"]
    if count == 1:
        return {}
    resources = {"nodes": count, "tasks": count, "tasks_per_gpu": 0, "mpi": "srun"}
    if compute["gpus"]:
        resources["gres"] = ":".join(filter(None, ("gpu", kind, str(compute["gpus"]))))
    return resources


def methods() -> dict[str, dict[str, Any]]:
    """Name of each method -> its hyperparameters, each a JSON schema with a default."""
    return {name: module["HYPERPARAMETERS"] for name, module in _offers("methods").items()}


def controls() -> set[str]:
    """Names of the methods that are no self-supervised ones but bounds for them."""
    return {name for name, module in _offers("methods").items() if module.get("CONTROL")}


def uses_labels(method: str) -> bool:
    """Whether a method trains with the labels of its source."""
    return bool(_offers("methods")[method].get("USES_LABELS"))


def encoders() -> dict[str, dict[str, Any]]:
    """Name of each encoder -> settings of its own, each a JSON schema with a default."""
    modules = _offers("models/encoders")
    return {name: module.get("SETTINGS", {}) for name, module in sorted(modules.items())}


@cache
def _offers(package: str) -> dict[str, dict[str, Any]]:
    """Name -> literals of the module of a package that offers it as NAME, or among NAMES.

    Raises:
        UserError: two modules offer one name, or the schemas of one are no literals with defaults.
    """
    found: dict[str, dict[str, Any]] = {}
    files: dict[str, Path] = {}
    for file in sorted((LIBRARY / package).glob("*.py")):
        module = _module_literals(file)
        names = module.get("NAMES", [module["NAME"]] if "NAME" in module else [])
        if not isinstance(names, list | tuple):
            raise UserError(f"{file}: NAMES must be a tuple of strings, such as ('net',)")
        for name in names:
            if name in found:
                raise UserError(
                    f"{file}: {name!r} is offered by {files[name]}; choose another name"
                )
            found[name], files[name] = module, file
        if names:
            _require_defaults(file, module, "HYPERPARAMETERS" if "NAME" in module else "SETTINGS")
    return found


def _require_defaults(file: Path, module: Mapping[str, Any], key: str) -> None:
    """Refuse a module whose schemas cannot be read, or have no default."""
    schemas = module.get(key, {} if key == "SETTINGS" else None)
    if not isinstance(schemas, dict):
        raise UserError(f"{file}: {key} must be a mapping of literals, read without importing it")
    for name, schema in schemas.items():
        if not isinstance(schema, dict) or "default" not in schema:
            raise UserError(f"{file}: {key}[{name!r}] needs a default, in the file as a literal")


def _module_literals(file: Path) -> dict[str, Any]:
    """Upper-case literals at the top of a module, read without importing it; None for what is none.

    A module that is imported brings torch along, which costs seconds in every snakemake call.
    """
    found = {}
    for node in ast.parse(file.read_text(), str(file)).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name.isupper():
                try:
                    found[name] = ast.literal_eval(value)
                except ValueError:
                    found[name] = None
    return found


def _plain(value: Any) -> str:
    """A value as it stands in a directory name: 0.5, 1e-06, 25 (not 25.0), adamw."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
