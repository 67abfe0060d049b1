"""Open the workers that run trials: `threads` on this machine, `dask:ADDRESS` on a cluster.

Each kind is a `concurrent.futures.Executor`, the number of trials that it runs at a time, and the
function that it calls with a TrialTask.
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
from anetdsl.evolve.workers.gpu_slots import ALL, VARIABLE, gpu_slots, visible_gpus
from anetdsl.evolve.workers.trial_process import Outcome, RunningTrials, TrialTask, run_trial
from anetdsl.evolve.workers.trial_server import TrialServer

MOST_THREADS = 4096
CONNECT_SECONDS = 20.0
_ANSWER_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_IDLE_SECONDS = 60.0
"""Time without a new trial after which the server of a cluster's worker ends."""
_FILE_READS, _FILE_SECONDS = 10, 0.1
_MOST_PORT = 65_535


@attrs.frozen
class Workers:
    """The workers that run the trials of a driver."""

    executor: Executor
    capacity: Callable[[], int]
    """Function that returns how many trials run at a time; on a cluster the number may change."""
    run: Callable[[TrialTask], Outcome]
    """Function that the executor calls; it returns an Outcome also for a trial that failed."""
    stop: Callable[[], None]
    """Function that kills all running trials."""
    remote: bool = False
    """True if trials run on other machines and notice the end of the driver by its heartbeat."""
    is_connected: Callable[[], bool] = lambda: True
    """Function that returns whether the workers can still be reached."""
    description: str = ""
    """A line about the GPUs and the number of trials at a time; empty if there is no GPU."""


@contextlib.contextmanager
def open_workers(
    text: str, gpus: Sequence[str] = (), per_gpu: int = 1, *, on_cpu: bool = False
) -> Iterator[Workers]:
    """Open the workers that `--executor` names. When the block ends, no trial is running.

    Args:
        text: `threads:N`, `threads` (one trial at a time, or one in each slot of a GPU), or
            `dask:ADDRESS`.
        gpus: GPUs for the trials, as `gpu_slots` takes them; empty: all that this process may use.
        per_gpu: Number of slots of a GPU.
        on_cpu: True if the trials use no GPU.

    Raises:
        CannotRun: The text names no workers or the cluster does not answer.
    """
    check_workers(text, gpus)
    kind, _, rest = text.partition(":")
    if kind == "dask":
        with _dask(rest) as workers:
            yield workers
        return
    with _threads(*trials_on_this_machine(text, gpus, per_gpu, on_cpu=on_cpu)) as workers:
        yield workers


def trials_on_this_machine(
    text: str, gpus: Sequence[str] = (), per_gpu: int = 1, *, on_cpu: bool = False
) -> tuple[int, tuple[str, ...]]:
    """Return how many trials the executor `threads` runs at a time, and the slots of the GPUs.

    The arguments are those of `open_workers`. Raise CannotRun for a number of trials that is none,
    and for GPUs that do not exist.
    """
    check_workers(text, gpus)
    slots = () if on_cpu else gpu_slots(gpus or (ALL,) * bool(visible_gpus()), per_gpu=per_gpu)
    count = text.partition(":")[2]
    return int(count) if count else max(1, len(slots)), slots


def check_workers(text: str, gpus: Sequence[str] = ()) -> None:
    """Raise CannotRun if `--executor` names no workers, or `--gpus` no GPUs of this process.

    This connects to no cluster.
    """
    kind, colon, rest = text.partition(":")
    if kind == "threads":
        if colon and not (rest.isdecimal() and 1 <= int(rest) <= MOST_THREADS):
            raise CannotRun(
                f"--executor: `{text}`: after `threads:` write a number from 1 to {MOST_THREADS}"
            )
        gpu_slots(gpus)
        return
    if kind != "dask" or not rest:
        raise CannotRun(f"--executor: `{text}` is neither threads, threads:N nor dask:ADDRESS")
    if gpus:
        raise CannotRun(
            "--gpus works with --executor threads and threads:N only; "
            "set CUDA_VISIBLE_DEVICES where you start a Dask worker"
        )
    if importlib.util.find_spec("distributed") is None:
        raise CannotRun(
            "--executor dask: the package `distributed` is missing; "
            "run pip install 'anetdsl[cluster]'"
        )


@contextlib.contextmanager
def _threads(count: int, slots: Sequence[str]) -> Iterator[Workers]:
    running, server = RunningTrials(), TrialServer()
    numbers, slot = itertools.count(), threading.local()

    def enter() -> None:
        slot.number = next(numbers)

    def run(task: TrialTask) -> Outcome:
        environment = {VARIABLE: slots[slot.number % len(slots)]} if slots else {}
        return run_trial(task, environment, running, server)

    def stop() -> None:
        running.stop()
        server.close()

    executor = ThreadPoolExecutor(count, "trial", enter)
    try:
        yield Workers(executor, lambda: count, run, stop, description=_description(count, slots))
    finally:
        stop()
        executor.shutdown(wait=True, cancel_futures=True)


def _description(count: int, slots: Sequence[str]) -> str:
    """Return a line about the GPUs that are used, in the order of CUDA_VISIBLE_DEVICES."""
    used = list(dict.fromkeys(slots[:count]))
    if not used:
        return ""
    listed = f"GPU {used[0]}" if len(used) == 1 else f"the {len(used)} GPUs {', '.join(used)}"
    idle = len(set(slots)) - len(used)
    rest = f"; {idle} {'GPU stays' if idle == 1 else 'GPUs stay'} idle" if idle else ""
    rest += ", --executor threads uses all" if idle else ""
    return f"{count} {'trial' if count == 1 else 'trials'} at a time on {listed}{rest}"


@contextlib.contextmanager
def _dask(place: str) -> Iterator[Workers]:
    import distributed
    from distributed.comm.addressing import parse_address, parse_host_port

    # Dask logs tracebacks when a connection breaks; our own message says all that a user needs.
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
            f"--executor dask:{place}: `{address}` is not an address; "
            "give one such as tcp://HOST:8786"
        )
    with _client(distributed.Client, address) as client:
        # pure=False: equal calls are separate trials. No retries: the driver counts them itself.
        executor = client.get_executor(pure=False, retries=0)
        yield Workers(
            executor,
            _Capacity(client),
            run_on_cluster,
            stop=lambda: None,
            remote=True,
            is_connected=lambda: bool(client.status == "running"),
        )


def run_on_cluster(task: TrialTask) -> Outcome:
    """Run a trial in a worker of a cluster; the worker's trials share a server."""
    return run_trial(task, server=_server_of_this_worker())


@functools.cache
def _server_of_this_worker() -> TrialServer:
    return TrialServer(idle=_IDLE_SECONDS)


def _address_in(path: Path) -> str:
    """Return the address in a scheduler file. Raise CannotRun if it has none."""
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
            # A scheduler that was just started may still be writing the file.
            time.sleep(_FILE_SECONDS)
    raise CannotRun(f"--executor: {path}: not a scheduler file: it contains no address")


def _client(kind: Any, address: str) -> Any:
    """Return a client that is connected to the scheduler at an address. Raise CannotRun.

    `kind` is the class `distributed.Client`.
    """

    class Client(kind):  # type: ignore[misc]
        """A client whose constructor does not connect.

        So a client that cannot connect is closed here. Otherwise Python closes it at exit, which
        takes long and prints a traceback.
        """

        def start(self, **options: Any) -> None:
            """Do nothing."""

    client: Any = None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        # CONNECT_SECONDS are for the connection; a server that accepts it may still not answer.
        most = CONNECT_SECONDS + _ANSWER_SECONDS
        kind.start(client, timeout=CONNECT_SECONDS, callback_timeout=most)
    except Exception as error:  # a server that is not a scheduler may cause any exception
        reason = str(error) or type(error).__name__
        raise CannotRun(f"--executor: no Dask scheduler answers at {address}: {reason}") from None
    finally:
        if client is not None and client.status != "running":
            with contextlib.suppress(Exception):
                client.close(timeout=_CLOSE_SECONDS)
    return client


class _Capacity:
    """Number of threads of a Dask cluster's workers, requested every few seconds."""

    seconds = 3.0

    def __init__(self, client: Any) -> None:
        self._client = client
        self._threads, self._updated = 0, -math.inf

    def __call__(self) -> int:
        if time.monotonic() - self._updated > self.seconds:
            try:
                self._threads = sum(self._client.nthreads().values())
            except (OSError, TimeoutError):
                self._threads = 0
            self._updated = time.monotonic()
        return self._threads
