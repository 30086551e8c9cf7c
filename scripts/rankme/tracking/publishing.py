"""A study's runs and its summary, made equal in the store to what the files say."""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankme.files import write_text
from rankme.tracking.destination import FOLDER
from rankme.tracking.record import Record, run_record, summary_record
from rankme.tracking.store import Store, alone, opened

if TYPE_CHECKING:
    from rankme.analysis.collect import Run

logger = logging.getLogger(__name__)

_REPORT_SECONDS = 10.0


@dataclass(frozen=True)
class Publication:
    """What is published.

    Attributes:
        config: the resolved study, as JSON values.
        runs: its runs, in order.
        results: the results tree.
        models: whether models are among the artefacts.
    """

    config: Mapping[str, Any]
    runs: Sequence["Run"]
    results: Path
    models: bool

    def publish(self, uri: str) -> Counter[str]:
        """Send what the store at `uri` has not.

        Returns:
            How many records were "created", "updated", "unchanged".

        Raises:
            UserError: a file is missing or invalid, or the store cannot be reached or refuses.
        """
        here = alone(self.results / FOLDER / ".publish.lock")
        with here, opened(uri, self.config["study"], self.results) as store:
            known, outcomes, told = store.records(), Counter[str](), time.monotonic()
            for record in self._records():
                outcomes[store.send(record, known.get(record.key, []))] += 1
                if time.monotonic() - told > _REPORT_SECONDS:
                    told = time.monotonic()
                    logger.info("%d of %d records", outcomes.total(), len(self.runs) + 1)
            if outcomes["created"]:
                self._settle(store)
        return outcomes

    def _settle(self, store: Store) -> None:
        """Leave one record of each run where another machine has made one at the same time.

        All see the same doubles in the same order and keep the first, and who looks last sees all.
        A request that was sent again after its answer was lost is settled here, too.
        """
        doubled = {key: known for key, known in store.records().items() if len(known) > 1}
        for record in self._records() if doubled else ():
            if record.key in doubled:
                store.send(record, doubled[record.key])

    def _records(self) -> Iterator[Record]:
        """Of every run, then of the study."""
        datasets = [self.config["source"], *self.config["targets"]]
        for run in self.runs:
            yield run_record(run, self.results, datasets, self.models)
        yield summary_record(self._publisher(), self._config(), self.runs, self.results)

    def _config(self) -> dict[str, Any]:
        """The study without the addresses of its data, which are of no use elsewhere."""
        private = ("root", "archive")
        datasets = {
            name: {key: value for key, value in declaration.items() if key not in private}
            for name, declaration in self.config["datasets"].items()
        }
        return {**self.config, "datasets": datasets}

    def _publisher(self) -> str:
        file = self.results / FOLDER / "PUBLISHER"
        if not file.exists():
            write_text(file, uuid.uuid4().hex + "\n")
        return file.read_text().strip()
