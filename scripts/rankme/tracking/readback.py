"""Results read back from a store: the records that a table needs, as a results tree again.

They come from the database alone (see `documents`), so no artefact and no machine is needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run as StoredRun

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


@dataclass(frozen=True)
class StoredStudy:
    """A study as one results tree has published it.

    Attributes:
        study: the study.
        runs: its runs, in order.
        records: of each run, RANKME_EVAL and the ACCURACY of each dataset.
    """

    study: Study
    runs: list[Run]
    records: list[dict[str, Any]]

    def write(self, results: Path) -> None:
        """Write the records into a results tree."""
        for run, found in zip(self.runs, self.records, strict=True):
            files = Tree(results).run(run.method, run.name)
            write_json(files.ranks, found["RANKME_EVAL"])
            for dataset, accuracy in found["ACCURACY"].items():
                write_json(files.dataset(dataset).accuracy, accuracy)


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


def _studies(name: str, records: Mapping[str, StoredRun]) -> Iterator[StoredStudy]:
    summaries = sorted(
        (record.info.start_time, record.info.run_id, key)
        for key, record in records.items()
        if key.startswith(f"{SUMMARY}/")
    )
    if not summaries:
        raise UserError(f"the study {name!r} was not published to its end; publish it again")
    for _, _, summary in summaries:
        about = _documents(name, records, summary)
        keys = [run_key(method, run) for method, run, _ in about["runs"]]
        found = [_documents(name, records, key) for key in keys]
        runs = [
            Run(run, sweep, run_from_json(of_run["RANKME_EVAL"]["run"]))
            for (_, run, sweep), of_run in zip(about["runs"], found, strict=True)
        ]
        yield StoredStudy(load_study(about["config"]), runs, found)


def _documents(study: str, records: Mapping[str, StoredRun], key: str) -> dict[str, Any]:
    try:
        found = documents.unpack(records[key].data.tags) if key in records else {}
    except ValueError as error:
        raise UserError(f"{key} of study {study!r}: {error}; publish it again") from error
    if not found:
        raise UserError(f"the run {key} of study {study!r} is not whole; publish it again")
    return found
