"""Targets that a study does not have, told before Snakemake says that no rule makes them."""

from collections.abc import Collection, Iterable
from pathlib import PurePath

from rankme.artefacts import DEFAULT_STUDY, Tree
from rankme.errors import choices
from rankme.study.study import Study

_OF_STUDIES = ("tables", "plots")


def misplaced(
    targets: Iterable[str], study: Study, runs: Collection[tuple[str, str]]
) -> str | None:
    """What is wrong with the first target that lies in the results tree and is not of this study.

    Args:
        targets: as given on the command line; rules are passed over.
        study: that is run.
        runs: method and name of each of its runs.
    """
    tree = PurePath(study.pathvars.results)
    inside = (PurePath(t) for t in targets if PurePath(t).is_relative_to(tree) and t != str(tree))
    found = (_mistake(path.relative_to(tree).parts, tree, study, runs) for path in inside)
    return next(filter(None, found), None)


def _mistake(
    parts: tuple[str, ...], tree: PurePath, study: Study, runs: Collection[tuple[str, str]]
) -> str | None:
    place = str(tree.joinpath(*parts))
    match parts:
        case [folder, *rest] if folder in _OF_STUDIES:
            return _of_another(place, DEFAULT_STUDY, rest and [folder, *rest], study)
        case ["studies", name, *rest]:
            return _of_another(place, name, rest, study)
        case ["datasets", name, *_] if name not in study.evaluation_datasets:
            known = choices(name, study.evaluation_datasets)
            return f"{place}: the study {study.study!r} has no dataset {name!r}{known}"
        case ["all_results", method, name, *_] if (method, name) not in runs:
            of_method = [run for other, run in runs if other == method]
            known = choices(name, of_method) if of_method else choices(method, {m for m, _ in runs})
            return f"{place}: the study {study.study!r} has no such run{known}"
    return None


def _of_another(place: str, name: str, rest: Iterable[str], study: Study) -> str | None:
    """What to say of a table or figure of the study `name`, if another is run."""
    if name == study.study:
        return None
    own = Tree(study.pathvars.results).study(study.study).folder.joinpath(*rest)
    return f"{place}: is of the study {name!r}; that of {study.study!r} is {own}"
