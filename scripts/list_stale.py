"""List results that were made by other code than is here now: `make stale`.

The dear steps do not run again when their code changes; this says which of their results differ in
the code behind them, so that a person can decide. Remake one by deleting it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rankme import cli
from rankme.artefacts import RunFiles, Tree, read_metadata, read_record
from rankme.errors import UserError
from rankme.files import sha256_file
from rankme.provenance import SCRIPTS


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder")
    return parser.parse_args()


def main() -> None:
    tree = Tree(parse_arguments().results)
    if not tree.runs.is_dir():
        raise UserError(f"{tree.runs}: no such folder; run the study first or name its --results")
    changed = [(path, changed_files(made_by)) for path, made_by in results(tree)]
    stale = [f"{path}: {', '.join(files)}" for path, files in changed if files]
    print(*stale, f"{len(stale)} results were made by other code", sep="\n")


def results(tree: Tree) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every result with the record of what made it."""
    for run in map(RunFiles, sorted(tree.runs.glob("*/*"))):
        datasets = [run.dataset(folder.name) for folder in sorted(run.folder.glob("*/"))]
        for path in filter(Path.exists, (run.model, *(files.head for files in datasets))):
            yield path, read_metadata(path, path.name)["provenance"]
        records = [file for files in datasets for file in (files.rank, files.accuracy)]
        for path in filter(Path.exists, (run.ranks, *records)):
            yield path, read_record(path, path.name)["provenance"]


def changed_files(provenance: dict[str, Any]) -> list[str]:
    """Files of scripts/ that are gone, or whose content is no longer what made the result."""
    return [
        file
        for file, digest in provenance["code"].items()
        if not (SCRIPTS / file).exists() or sha256_file(SCRIPTS / file)[:12] != digest
    ]


if __name__ == "__main__":
    cli.run(main)
