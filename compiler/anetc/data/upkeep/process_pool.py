"""Apply a function to many files in several processes with one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from anetdsl.errors import CannotRun

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 4
"""Number of items per worker that are submitted ahead."""


def processor_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(
    function: Callable[[_Item], _Result], items: Sequence[_Item], workers: int
) -> Iterator[_Result]:
    """Yield function(item) for each item, in order; one worker computes in this process.

    Few items are computed ahead, so an interruption loses little. Raises CannotRun if a process is
    killed, and the errors of `function`.
    """
    if workers == 1 or len(items) < 2:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare)
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise CannotRun(
            "a process that reads videos was killed, probably because memory ran out; "
            "use fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    """Leave Ctrl-C to the main process, and use one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # torch reads it when it is imported.
    os.environ["OMP_NUM_THREADS"] = "1"
