"""Signals that ask a run to stop, honoured between two steps."""

import signal
from types import FrameType

from rankme.training.distributed import world_size

REQUEUE_EXIT_CODE = 75
"""Exit code of a run that a scheduler stopped and that goes on when started again.

It is EX_TEMPFAIL of sysexits.h ("temporary failure, the user is invited to retry"). To Snakemake
it is a failure, so `retries` runs the job again; Slurm requeues it under `RequeueExit=75`. It is
neither done (0) nor a mistake (1) nor a death by signal without a checkpoint (128 + signal).
"""


def exit_code(number: signal.Signals) -> int:
    """What to leave with after a signal: 130 after Ctrl-C as shells expect, else to be requeued."""
    return 128 + number if number == signal.SIGINT else REQUEUE_EXIT_CODE


class StopRequest:
    """Whether SIGTERM, SIGUSR1 or Ctrl-C has asked this process to stop.

    As a context manager it takes over these signals, so that a step is never cut in two; a second
    Ctrl-C interrupts at once, but not one of several processes, to which torchrun passes on the
    Ctrl-C that the terminal has sent them already. Without `with` it never asks to stop.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __enter__(self) -> "StopRequest":
        taken = signal.SIGTERM, signal.SIGUSR1, signal.SIGINT
        self._handlers = {number: signal.signal(number, self._note) for number in taken}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        if number == signal.SIGINT and world_size() == 1:
            signal.signal(number, signal.default_int_handler)
