"""Decode images in several processes, in order and with bounded memory."""

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread

import numpy as np

from rankme.data.decode import Chunk, decode_chunk
from rankme.errors import UserError

_CHUNK_PIXELS = 1 << 18


def decode_all(
    images: Sequence[str] | np.ndarray, size: int, workers: int, start: int = 0
) -> Iterator[Chunk]:
    """Decode images[start:]; no more than twice `workers` chunks are in memory at a time.

    Raises:
        UserError: a worker was killed.
    """
    length = max(1, _CHUNK_PIXELS // size**2)
    chunks = (images[first : first + length] for first in range(start, len(images), length))
    if workers <= 1 or len(images) - start <= length or isinstance(images, np.ndarray):
        yield from (decode_chunk(chunk, size) for chunk in chunks)
        return
    # Not forked from this process: the reader may have started threads.
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_follow_parent) as pool:
        pending: deque[Future[Chunk]] = deque()
        try:
            for chunk in chunks:
                pending.append(pool.submit(decode_chunk, chunk, size))
                if len(pending) == 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a decoding process was killed, most likely for lack of memory; use fewer workers"
            ) from error


def _follow_parent() -> None:
    """In a worker: end when the parent has been killed, and leave Ctrl-C to the parent.

    Without this, the workers of a killed process would wait for work for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_after_parent() -> None:
        parent.join()
        os._exit(1)

    Thread(target=end_after_parent, daemon=True).start()
