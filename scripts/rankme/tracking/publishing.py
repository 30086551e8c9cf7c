"""A study's runs and its summary, made equal in the store to what the files say."""

import hashlib
import logging
import multiprocessing
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from mlflow.entities import Run as StoredRun

from rankme.artefacts import Tree
from rankme.errors import UserError
from rankme.files import write_text
from rankme.secrets import censor_output
from rankme.study.identity import canonical
from rankme.study.runs import Run, run_from_json
from rankme.study.study import Study
from rankme.tracking.record import Record, run_key, run_record, summary_record
from rankme.tracking.store import Store, alone, explained, opened, write_beside

logger = logging.getLogger(__name__)

_REPORT_SECONDS = 10.0

_RUNS_A_WORKER = 100
"""Fewer are sent before another process has imported mlflow."""

_RUNS_A_TURN = 10

_Recorder = Callable[[Run], Record]
_Packed = tuple[str, str, str, Sequence[StoredRun]]


@dataclass(frozen=True)
class Publication:
    """What is published: a study of a results tree, all its runs in order, and models if asked."""

    study: Study
    runs: Sequence[Run]
    results: Path
    models: bool

    def publish(self, uri: str, workers: int = 1) -> Counter[str]:
        """Send what the store at `uri` has not.

        Args:
            uri: of the store.
            workers: processes among which the runs of a large study are shared: nearly all of the
                time is MLflow's own computation.

        Returns:
            How many records were "created", "updated", "unchanged".

        Raises:
            UserError: a file is missing or invalid, a table is another study's, or the store cannot
                be reached or refuses.
        """
        summary = summary_record(self._publisher(), self.study, self.runs, self.results)
        here = alone(Tree(self.results).tracking / ".publish.lock")
        with here, opened(uri, self.study.study, Tree(self.results)) as store:
            known = store.records()
            work = [(run, known.get(run_key(run.method, run.name), [])) for run in self.runs]
            workers = min(workers, len(work) // _RUNS_A_WORKER)
            if workers > 1:
                sent = self._shared(work, uri, workers)
            else:
                sent = (store.send(self._recorder(run), known) for run, known in work)
            outcomes = Counter(self._told(sent))
            outcomes[store.send(summary, known.get(summary.key, []))] += 1
            if outcomes["created"]:
                self._settle(store, summary)
        return outcomes

    @property
    def _recorder(self) -> _Recorder:
        """What makes records of runs; it holds plain values, and so travels to other processes."""
        datasets = self.study.evaluation_datasets
        return partial(run_record, results=self.results, datasets=datasets, models=self.models)

    def _shared(
        self, work: Iterable[tuple[Run, list[StoredRun]]], uri: str, workers: int
    ) -> Iterator[str]:
        """The outcome of each run, sent by several processes."""
        # A forked process would share the connections of this one, and keep its locks beyond it.
        spawn = multiprocessing.get_context("spawn")
        packed = ((run.name, run.sweep, canonical(run.settings), known) for run, known in work)
        send = partial(_send, self._recorder, uri, self.study.study, Tree(self.results))
        try:
            with ProcessPoolExecutor(workers, spawn, _begin, (uri,)) as pool:
                yield from pool.map(send, packed, chunksize=_RUNS_A_TURN)
        except BrokenProcessPool:
            raise UserError("a process that sends runs was killed (out of memory?)") from None

    def _told(self, outcomes: Iterable[str]) -> Iterator[str]:
        """The same outcomes, and now and then a line in the log on how far it is."""
        told = time.monotonic()
        for count, outcome in enumerate(outcomes, start=1):
            yield outcome
            if time.monotonic() - told > _REPORT_SECONDS:
                told = time.monotonic()
                logger.info("%d of %d runs", count, len(self.runs))

    def _settle(self, store: Store, summary: Record) -> None:
        """Leave one record of each run where another machine has made one at the same time.

        All see the same doubles in the same order and keep the first, and who looks last sees all.
        A request that was sent again after its answer was lost is settled here, too.
        """
        doubled = {key: known for key, known in store.records().items() if len(known) > 1}
        for record in (*map(self._recorder, self.runs), summary) if doubled else ():
            if record.key in doubled:
                store.send(record, doubled[record.key])

    def _publisher(self) -> str:
        """What tells this tree from others; of its place, so that a deleted file comes back."""
        file = Tree(self.results).tracking / "PUBLISHER"
        if not file.exists():
            place = f"{socket.gethostname()}:{self.results.absolute()}"
            write_text(file, hashlib.sha256(place.encode()).hexdigest()[:32] + "\n")
        return file.read_text().strip()


def _begin(uri: str) -> None:
    """Start a worker, a process beside the one that holds the locks."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    censor_output(uri)
    write_beside(uri)
    # What this says of the store, the first process has said.
    logging.getLogger(Store.__module__).setLevel(logging.ERROR)


def _end_with_parent() -> None:
    """Without this a worker whose parent was killed waits for work for ever."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _send(recorder: _Recorder, uri: str, study: str, tree: Tree, packed: _Packed) -> str:
    """In a worker: send one run, of which the store has these records."""
    name, sweep, settings, known = packed
    with explained(uri):
        run = Run(name, sweep, run_from_json(settings))
        return _store(uri, study, tree).send(recorder(run), known)


_store = cache(Store)
