"""How far a run is: a bar on a terminal, else a line an epoch; and the file TRAINING_LOG."""

import json
import logging
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rankme.cli import is_first_process
from rankme.files import write_text

logger = logging.getLogger(__name__)

TRAINING_LOG = "TRAINING_LOG"


class Progress:
    """Shows a run's progress on stderr.

    Args:
        epochs: epochs of the whole run.
        steps: steps of the whole run.
        step: steps done before this process.
    """

    def __init__(self, epochs: int, steps: int, step: int) -> None:
        self._epochs, self._steps, self._first = epochs, steps, step
        self._start = time.perf_counter()
        hidden = None if is_first_process() else True  # None: where stderr is no terminal
        self._bar = tqdm(total=steps, initial=step, unit="step", disable=hidden, dynamic_ncols=True)

    def step(self) -> None:
        """One step is done."""
        self._bar.update()

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch is done; `row` is its line of TRAINING_LOG."""
        line = describe(row)
        self._bar.set_postfix_str(line)
        if self._bar.disable:
            epoch = f"epoch {row['epoch']}/{self._epochs}"
            remaining = tqdm.format_interval(self._remaining(row["step"]))
            logger.info("%s  %s  remaining %s", epoch, line, remaining)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _remaining(self, step: int) -> float:
        elapsed = time.perf_counter() - self._start
        return elapsed / (step - self._first) * (self._steps - step)


def describe(row: dict[str, Any]) -> str:
    """A row of TRAINING_LOG in words."""
    rank = "" if row["rankme"] is None else f"  rankme {row['rankme']:.1f}"
    speed = f"{row['views_per_second']:,.0f} views/s"
    return f"loss {row['loss']:.3f}  lr {row['lr']:.1e}{rank}  {speed}"


def write_log(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write TRAINING_LOG: one JSON object a line, one line an epoch."""
    lines = (json.dumps(row, allow_nan=False) + "\n" for row in rows)
    write_text(folder / TRAINING_LOG, "".join(lines))
