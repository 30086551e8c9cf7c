"""A run that reports while it trains. Standard library only: the training imports no mlflow.

A process of its own (`scripts/report_live.py`) reads TRAINING_LOG and sends what is new. The file
is the queue between the two: it never fills up, nothing that the store misses is lost, and whatever
becomes of the store or of the reporter, training does not notice.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rankme.processes import is_first_process
from rankme.provenance import SCRIPTS
from rankme.study.identity import canonical
from rankme.study.runs import RunSettings
from rankme.tracking.destination import LIVE

logger = logging.getLogger(__name__)

FAREWELL_SECONDS = 10.0
"""The reporter has so long to send the last epochs; publishing sends what it could not."""


@contextmanager
def reported(run: RunSettings, folder: Path) -> Iterator[None]:
    """Report a run of the workflow from the TRAINING_LOG in its folder, if the study is live."""
    study = os.environ.get(LIVE)
    if not study or not is_first_process():
        yield
        return
    program = [sys.executable, str(SCRIPTS / "report_live.py")]
    words = [*program, "--study", study, "--folder", str(folder), "--run", canonical(run)]
    try:
        # At the end of its stdin it knows that the training is over, however that came.
        reporter = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        logger.warning("live view: cannot start (%s); training goes on", error.strerror)
        yield
        return
    with reporter:
        try:
            yield
        finally:
            with suppress(OSError):
                reporter.stdin.close()  # type: ignore[union-attr]
            try:
                reporter.wait(FAREWELL_SECONDS)
            except subprocess.TimeoutExpired:
                reporter.kill()
