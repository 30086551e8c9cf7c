"""How far a run is: a bar on a terminal, else a line an epoch."""

import logging
import time

from tqdm import tqdm

from rankme.artefacts import LogRow
from rankme.processes import is_first_process

logger = logging.getLogger(__name__)


class Progress:
    """Shows a run's progress on stderr; `step` of its steps were taken before this process."""

    def __init__(self, epochs: int, steps: int, step: int) -> None:
        self._epochs, self._steps, self._first = epochs, steps, step
        self._start = time.perf_counter()
        hidden = None if is_first_process() else True  # None: where stderr is no terminal
        self._bar = tqdm(total=steps, initial=step, unit="step", disable=hidden, dynamic_ncols=True)

    def step(self) -> None:
        """One step is done."""
        self._bar.update()

    def epoch(self, row: LogRow) -> None:
        """An epoch is done; `row` is its line of TRAINING_LOG."""
        rank = "" if row.rankme is None else f"  rankme {row.rankme:.1f}"
        speed = f"{row.views_per_second:,.0f} views/s"
        line = f"loss {row.loss:.3f}  lr {row.lr:.1e}{rank}  {speed}"
        self._bar.set_postfix_str(line)
        if self._bar.disable:
            elapsed = time.perf_counter() - self._start
            left = elapsed / (row.step - self._first) * (self._steps - row.step)
            interval = tqdm.format_interval(left)
            logger.info("epoch %d/%d  %s  remaining %s", row.epoch, self._epochs, line, interval)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
