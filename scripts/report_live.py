"""Report a run while it trains: started by pretrain.py where `tracking.live` is set.

It ends when its stdin does, and fails in silence but for a line in the log of the run.
"""

import argparse
import logging
import os
import select
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rankme import cli
from rankme.artefacts import RunFiles
from rankme.errors import UserError, describe
from rankme.secrets import censor_output
from rankme.study.runs import RunSettings, run_from_json
from rankme.tracking.destination import destination

logger = logging.getLogger(__name__)

SECONDS = 5.0
"""Between two looks at TRAINING_LOG."""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the run")
    parser.add_argument("--run", type=run_from_json, required=True, help="settings, as JSON")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    files = RunFiles(arguments.folder)
    uri = destination(files.tree)
    censor_output(uri)
    # One short attempt at a time: the next look at the file is the next attempt.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    os.nice(10)
    watch(files.log, partial(report, uri, arguments.study, arguments.run, files, time.time()))


def watch(log: Path, send: Callable[[str], None]) -> None:
    """Send a status whenever TRAINING_LOG has changed, until stdin ends."""
    sent: str | None = None
    reachable, ended = True, False
    while not ended:
        ended = bool(select.select([sys.stdin], [], [], 0 if sent is None else SECONDS)[0])
        text = log.read_text() if log.exists() else ""
        if text == sent and not ended:
            continue
        try:
            send("KILLED" if ended else "RUNNING")
            reachable, sent = True, text
        except (UserError, OSError) as error:
            if reachable:
                logger.warning("live view: %s; training goes on", describe(error))
            reachable = False
            if not ended:
                time.sleep(SECONDS)


def report(
    uri: str, study: str, run: RunSettings, files: RunFiles, started: float, status: str
) -> None:
    """Send what TRAINING_LOG has and the store has not."""
    from rankme.tracking.record import Record, curves, params, run_key
    from rankme.tracking.store import opened

    over, name = files.model.exists(), files.folder.name
    record = Record(
        key=run_key(run.method, name),
        name=name,
        status="FINISHED" if over else status,
        started=started,
        seconds=0.0,
        params=params(run),
        tags={"method": run.method, "status": "trained" if over else "training"},
        curves=curves(files.log) if files.log.exists() else {},
    )
    with opened(uri, study, files.tree) as store:
        store.show(record)


if __name__ == "__main__":
    cli.run(main)
