"""Signals that ask a run to stop, honoured between two steps."""

import signal
from types import FrameType, TracebackType

REQUEUE_EXIT_CODE = 75
"""Exit code of a run that a scheduler stopped and that goes on when started again.

It is EX_TEMPFAIL of sysexits.h ("temporary failure, the user is invited to retry"). To Snakemake
it is a failure, so `retries` runs the job again; Slurm requeues it under `RequeueExit=75`. It is
neither done (0) nor a mistake (1) nor a death by signal without a checkpoint (128 + signal).
"""

_INTERRUPTED_EXIT_CODE = 128 + signal.SIGINT


class StopRequest:
    """Whether SIGTERM, SIGUSR1 or Ctrl-C has asked this process to stop.

    As a context manager it takes over these signals, so that a step is never cut in two; a second
    Ctrl-C interrupts at once. Without `with` it never asks to stop.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._handlers: dict[int, object] = {}

    @property
    def exit_code(self) -> int:
        """What to leave with: 130 after Ctrl-C as shells expect, else REQUEUE_EXIT_CODE."""
        interrupted = self.signal == signal.SIGINT
        return _INTERRUPTED_EXIT_CODE if interrupted else REQUEUE_EXIT_CODE

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
