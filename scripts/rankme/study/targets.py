"""Targets that a study does not have, told before Snakemake says that no rule makes them."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath

from rankme.artefacts import DEFAULT_STUDY, Tree
from rankme.errors import choices
from rankme.study.study import Study


def misplaced(
    targets: Iterable[str], study: Study, runs: Collection[tuple[str, str]]
) -> str | None:
    """What is wrong with the first target that lies in the results tree and is not of this study.

    Args:
        targets: as given on the command line; rules are passed over.
        study: that is run.
        runs: method and name of each of its runs.
    """
    for path in map(PurePath, targets):
        if path.is_relative_to(study.results):
            parts = path.relative_to(study.results).parts
            if mistake := _mistake(parts, study, runs):
                return f"{path}: {mistake}"
    return None


def _mistake(parts: Sequence[str], study: Study, runs: Collection[tuple[str, str]]) -> str | None:
    match parts:
        case ["tables" | "plots", *_]:
            return _of_another(DEFAULT_STUDY, parts, study)
        case ["studies", name, *rest]:
            return _of_another(name, rest, study)
        case ["datasets", name, *_] if name not in study.evaluation_datasets:
            known = choices(name, study.evaluation_datasets)
            return f"the study {study.study!r} has no dataset {name!r}{known}"
        case ["all_results", method, name, *_] if (method, name) not in runs:
            of_method = [run for other, run in runs if other == method]
            known = choices(name, of_method) if of_method else choices(method, {m for m, _ in runs})
            return f"the study {study.study!r} has no such run{known}"
    return None


def _of_another(name: str, parts: Sequence[str], study: Study) -> str | None:
    """What to say of a table or figure of the study `name`, if another is run."""
    if name == study.study:
        return None
    own = Tree(study.results).study(study.study).folder.joinpath(*parts)
    return f"is of the study {name!r}; that of {study.study!r} is {own}"
