"""Where trials run: `threads:N` on this machine, `dask:ADDRESS` (or its file) on a cluster.

Both are a `concurrent.futures.Executor`, a number of trials at a time, and a function of a Job.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.evolve.workers.trial_process import Job, Outcome, ProcessGroup, run_trial

MOST_THREADS = 4096
CONNECT_SECONDS = 20.0
_ANSWER_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_FILE_READS, _FILE_SECONDS = 10, 0.1
_MOST_PORT = 65_535


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
    check_workers(text, gpus)
    kind, _, rest = text.partition(":")
    with _threads(int(rest), gpus) if kind == "threads" else _dask(rest) as workers:
        yield workers


def check_workers(text: str, gpus: Sequence[str] = ()) -> None:
    """Raise CannotRun where `--executor` names no workers, as far as that can be told here."""
    kind, _, rest = text.partition(":")
    if kind == "threads":
        if not (rest.isdecimal() and 1 <= int(rest) <= MOST_THREADS):
            raise CannotRun(
                f"--executor: `{text}`: a number from 1 to {MOST_THREADS} goes after threads:"
            )
        return
    if kind != "dask" or not rest:
        raise CannotRun(f"--executor: `{text}` is neither threads:N nor dask:ADDRESS")
    if gpus:
        raise CannotRun("--gpus is for threads:N; a Dask worker's devices are set at its start")
    if importlib.util.find_spec("distributed") is None:
        raise CannotRun(
            "--executor dask: needs the package distributed; pip install 'anetdsl[cluster]'"
        )


@contextlib.contextmanager
def _threads(count: int, gpus: Sequence[str]) -> Iterator[Workers]:
    group = ProcessGroup()
    numbers = itertools.count()
    slot = threading.local()

    def enter() -> None:
        slot.number = next(numbers)

    def run(job: Job) -> Outcome:
        return run_trial(job, {"CUDA_VISIBLE_DEVICES": gpus[slot.number % len(gpus)]}, group)

    executor = ThreadPoolExecutor(count, "trial", enter)
    function = run if gpus else functools.partial(run_trial, group=group)
    try:
        yield Workers(executor, lambda: count, function, group.stop)
    finally:
        group.stop()
        executor.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _dask(place: str) -> Iterator[Workers]:
    import distributed
    from distributed.comm.addressing import parse_address, parse_host_port

    # What it logs when a connection breaks, tracebacks too, tells a user nothing that we do not.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    address = _address_in(Path(place)) if place.endswith(".json") else place
    try:
        _, port = parse_host_port(parse_address(address)[1])
    except ValueError:
        port = 0
    if not 0 < port <= _MOST_PORT:
        raise CannotRun(
            f"--executor dask:{place}: `{address}` is no address such as tcp://HOST:8786"
        )
    with _client(distributed.Client, address) as client:
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


def _address_in(path: Path) -> str:
    """The address in a scheduler's file. Raises CannotRun where there is none."""
    if not path.is_file():
        raise cannot_read(f"--executor: {path}")
    for _ in range(_FILE_READS):
        try:
            match json.loads(path.read_text(encoding="utf-8")):
                case {"address": str(address)}:
                    return address
            break
        except OSError as error:
            raise cannot_read(f"--executor: {path}", error) from None
        except (ValueError, RecursionError):
            # A scheduler that has just been started may still be writing it.
            time.sleep(_FILE_SECONDS)
    raise CannotRun(f"--executor: {path}: is no scheduler file: it holds no address")


def _client(kind: Any, address: str) -> Any:
    """A client, of distributed's class, of the scheduler there. Raises CannotRun."""

    class Client(kind):  # type: ignore[misc]
        """Not started by its constructor, so that one that cannot be started can be closed.

        It would be closed when Python ends otherwise: that takes long, and prints a traceback.
        """

        def start(self, **options: Any) -> None:
            pass

    client: Any = None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        # The first time is for a connection; who is connected may still never answer.
        most = CONNECT_SECONDS + _ANSWER_SECONDS
        kind.start(client, timeout=CONNECT_SECONDS, callback_timeout=most)
    except Exception as error:  # whatever comes of talking to what is no scheduler
        reason = str(error) or type(error).__name__
        raise CannotRun(f"--executor: no Dask scheduler answers at {address}: {reason}") from None
    finally:
        if client is not None and client.status != "running":
            with contextlib.suppress(Exception):
                client.close(timeout=_CLOSE_SECONDS)
    return client


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
