"""How far a long step of a preparation is."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(name: str, total: int, unit: str = "images") -> Iterator[Callable[[int], None]]:
    """Yield what counts on: in a bar on a terminal, elsewhere in a line of the log now and then."""
    done, next_line = 0, time.monotonic() + _SECONDS_BETWEEN_LINES

    def advance(count: int) -> None:
        nonlocal done, next_line
        bar.update(count)
        done += count
        if bar.disable and time.monotonic() > next_line:
            _log.info("%s: %s of %s %s", name, f"{done:,}", f"{total:,}", unit)
            next_line = time.monotonic() + _SECONDS_BETWEEN_LINES

    with tqdm(
        total=total, desc=name, unit=f" {unit}", unit_scale=True, disable=None, leave=False
    ) as bar:
        yield advance
