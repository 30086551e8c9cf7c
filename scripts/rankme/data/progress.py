"""How far a long step of a preparation is."""

import logging
import time

from tqdm import tqdm

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """A bar on a terminal, elsewhere a line in the log now and then."""

    def __init__(self, name: str, total: int, unit: str = "images") -> None:
        self._name, self._unit = name, unit
        self._bar = tqdm(
            total=total, desc=name, unit=f" {unit}", unit_scale=True, disable=None, leave=False
        )
        self._total, self._done = total, 0
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, count: int) -> None:
        self._bar.update(count)
        self._done += count
        if self._bar.disable and time.monotonic() > self._next_line:
            done, total = f"{self._done:,}", f"{self._total:,}"
            _log.info("%s: %s of %s %s", self._name, done, total, self._unit)
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
