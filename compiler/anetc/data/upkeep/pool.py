"""The same work on many files, by several processes of one thread each."""

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


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_processes(
    function: Callable[[_Item], _Result], items: Sequence[_Item], workers: int
) -> Iterator[_Result]:
    """function(item) for each item, in order; with one worker in this process.

    Only a few items are under way at a time, so that a stop loses little. Raises CannotRun where a
    process is killed, and what `function` raises.
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
            "a process that reads videos was killed, which happens when memory runs out; "
            "try fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    """Ctrl-C is for the process that hands out the work; each worker has one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Read by torch when it is imported, here only where it is needed.
    os.environ["OMP_NUM_THREADS"] = "1"
