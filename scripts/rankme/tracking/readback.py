"""Results read back from a store: the records that a table needs, as a results tree again.

They come from the database alone (see `documents`), so no artefact and no machine is needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankme.artefacts import Tree
from rankme.errors import UserError, choices
from rankme.files import write_json
from rankme.secrets import label
from rankme.study.config import load_study
from rankme.study.runs import Run, run_from_json
from rankme.study.study import Study
from rankme.tracking import documents
from rankme.tracking.record import SUMMARY, run_key
from rankme.tracking.store import everything

if TYPE_CHECKING:
    from mlflow.entities import Run as StoredRun


@dataclass(frozen=True)
class StoredResult:
    """A run, and its records."""

    run: Run
    ranks: dict[str, Any]
    accuracies: dict[str, dict[str, Any]]

    def write(self, results: Path) -> None:
        """Write RANKME_EVAL and every ACCURACY into a results tree."""
        files = Tree(results).run(self.run.method, self.run.name)
        write_json(files.ranks, self.ranks)
        for dataset, accuracy in self.accuracies.items():
            write_json(files.dataset(dataset).accuracy, accuracy)


@dataclass(frozen=True)
class StoredStudy:
    """A study as one results tree has published it, and its runs in order."""

    study: Study
    runs: list[StoredResult]


def read_back(uri: str, names: Sequence[str] = ()) -> list[StoredStudy]:
    """Studies of a store, one for each results tree that published one.

    Args:
        uri: of the store.
        names: studies to read; without any, the only one there is.

    Raises:
        UserError: the store cannot be reached, has no such study, or a run of it is not whole.
    """
    stored = everything(uri, names)
    if not names and len(stored) != 1:
        raise UserError(
            f"{label(uri)}: holds {len(stored)} studies; name those to read by --experiment. "
            f"There: {', '.join(stored) or 'none'}"
        )
    for name in names:
        if name not in stored:
            raise UserError(f"{label(uri)}: has no study {name!r}{choices(name, everything(uri))}")
    return [study for name in names or stored for study in _studies(name, stored[name])]


def _studies(name: str, records: Mapping[str, "StoredRun"]) -> Iterator[StoredStudy]:
    summaries = [record for key, record in records.items() if key.startswith(f"{SUMMARY}/")]
    if not summaries:
        raise UserError(f"the study {name!r} was not published to its end; publish it again")
    for summary in sorted(summaries, key=lambda run: (run.info.start_time, run.info.run_id)):
        found = _documents(name, summary)
        runs = [_result(name, records, *run) for run in found["runs"]]
        yield StoredStudy(load_study(found["config"]), runs)


def _result(
    study: str, records: Mapping[str, "StoredRun"], method: str, name: str, sweep: str
) -> StoredResult:
    record = records.get(run_key(method, name))
    found = _documents(study, record) if record else {}
    if not found:
        raise UserError(
            f"the run {method} {name} of study {study!r} is not whole; publish it again"
        )
    ranks = found["RANKME_EVAL"]
    return StoredResult(Run(name, sweep, run_from_json(ranks["run"])), ranks, found["ACCURACY"])


def _documents(study: str, record: "StoredRun") -> dict[str, Any]:
    try:
        return documents.unpack(record.data.tags)
    except ValueError as error:
        raise UserError(f"study {study!r}: {error}; publish it again") from error
