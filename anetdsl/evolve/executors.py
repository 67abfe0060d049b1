"""Where trials run: `threads:N` on this machine, `dask:ADDRESS` (or its file) on a cluster.

Both are a `concurrent.futures.Executor`, a number of trials at a time, and a function of a Job.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from anetdsl.diagnostics import CannotRun
from anetdsl.evolve.trials import Group, Job, Outcome, run_trial

MOST_THREADS = 4096
CONNECT_SECONDS = 20.0


@attrs.frozen
class Workers:
    """What runs trials."""

    executor: Executor
    capacity: Callable[[], int]
    """Trials at a time; a cluster's may change."""
    run: Callable[[Job], Outcome]
    """Run by the executor; it never raises for what happens to a trial."""
    stop: Callable[[], None]
    """Ends all running trials."""
    remote: bool = False
    """Whether trials may go on when this process has gone, but for the pulse."""
    is_there: Callable[[], bool] = lambda: True
    """Whether the workers can still be reached."""


@contextlib.contextmanager
def open_workers(text: str, gpus: Sequence[str] = ()) -> Iterator[Workers]:
    """The workers that `--executor` names; when the block ends, no trial is running.

    Raises CannotRun where there are none such.
    """
    kind, _, rest = text.partition(":")
    if kind == "threads":
        with _threads(text, rest, gpus) as workers:
            yield workers
    elif kind == "dask" and rest:
        if gpus:
            raise CannotRun("--gpus is for threads:N; a Dask worker's devices are set at its start")
        with _dask(rest) as workers:
            yield workers
    else:
        raise CannotRun(f"--executor: `{text}` is neither threads:N nor dask:ADDRESS")


@contextlib.contextmanager
def _threads(text: str, count: str, gpus: Sequence[str]) -> Iterator[Workers]:
    if not (count.isdecimal() and 1 <= int(count) <= MOST_THREADS):
        raise CannotRun(
            f"--executor: `{text}`: a number from 1 to {MOST_THREADS} goes after threads:"
        )
    group = Group()
    numbers = itertools.count()
    slot = threading.local()

    def enter() -> None:
        slot.number = next(numbers)

    def run(job: Job) -> Outcome:
        return run_trial(job, {"CUDA_VISIBLE_DEVICES": gpus[slot.number % len(gpus)]}, group)

    executor = ThreadPoolExecutor(int(count), "trial", enter)
    function = run if gpus else functools.partial(run_trial, group=group)
    try:
        yield Workers(executor, lambda: int(count), function, group.stop)
    finally:
        group.stop()
        executor.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _dask(address: str) -> Iterator[Workers]:
    try:
        import distributed
    except ImportError:
        raise CannotRun(
            "--executor dask: needs the package distributed; pip install 'anetdsl[cluster]'"
        ) from None
    # What it logs when a connection breaks, tracebacks too, tells a user nothing that we do not.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    where = {"address": address}
    if address.endswith(".json"):
        if not Path(address).is_file():
            raise CannotRun(f"--executor: {address}: there is no such scheduler file")
        where = {"scheduler_file": address}
    connect: Any = distributed.Client
    try:
        client: Any = connect(**where, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CannotRun(f"--executor: no Dask scheduler answers at {address}: {error}") from None
    with client:
        # pure=False: each call is a trial of its own. No retries: the search counts them itself.
        executor = client.get_executor(pure=False, retries=0)
        yield Workers(
            executor,
            _Capacity(client),
            run_trial,
            stop=lambda: None,
            remote=True,
            is_there=lambda: bool(client.status == "running"),
        )


class _Capacity:
    """The threads of a Dask cluster's workers, asked for every few seconds."""

    seconds = 3.0

    def __init__(self, client: Any) -> None:
        self._client = client
        self._known, self._asked = 0, -math.inf

    def __call__(self) -> int:
        if time.monotonic() - self._asked > self.seconds:
            try:
                self._known = sum(self._client.nthreads().values())
            except (OSError, TimeoutError):
                self._known = 0
            self._asked = time.monotonic()
        return self._known
