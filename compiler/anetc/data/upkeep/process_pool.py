"""Apply a function to many files in several processes with one thread each."""

from __future__ import annotations

import contextlib
import functools
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

import attrs

from anetc.worker_processes import StallWatch, WorkerContext, WorkerProcess, describe_exit
from anetdsl.errors import CannotRun

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 4
"""Number of items per worker that may be done before the result of an earlier item."""
_POLL_SECONDS = 1.0

CRASHES = tuple(
    -getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL")
    if hasattr(signal, name)
)
"""Exit codes of a process that a file has crashed. SIGKILL mostly means that memory ran out."""


def map_in_processes(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: int,
    lost: Callable[[_Item, str], _Result] | None = None,
) -> Iterator[_Result]:
    """Yield function(item) for each item, in order; one worker computes in this process.

    Few items are computed ahead, so an interruption loses little. An item that crashes its process
    or hangs yields lost(item, reason), such as "the process that read it was ended by SIGSEGV", and
    the others go on. Raises CannotRun for it without `lost`, and always if a process is killed or
    ends by itself; and the errors of `function`. No process is left at the end.
    """
    if workers == 1 or len(items) < 2:
        yield from map(function, items)
        return
    context = WorkerContext([_module_of(function)])
    with context.killed_at_end():
        pool = _Pool(context, function, items, lost)
        with context.starting():
            for _ in range(min(workers, len(items))):
                pool.start()
        yield from pool.results()


def _module_of(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__module__", None) or "builtins"


@attrs.define(eq=False)
class _Worker:
    """A process, the pipe to it, and the number of the item that it computes."""

    process: WorkerProcess
    pipe: Connection
    item: int | None = None
    watch: StallWatch = attrs.field(factory=StallWatch)


@attrs.define(eq=False)
class _Pool(Generic[_Item, _Result]):
    context: WorkerContext
    function: Callable[[_Item], _Result]
    items: Sequence[_Item]
    lost: Callable[[_Item, str], _Result] | None
    _workers: list[_Worker] = attrs.field(init=False, factory=list)
    _done: dict[int, _Result] = attrs.field(init=False, factory=dict)
    _next: int = attrs.field(init=False, default=0)
    """Number of the next item to give to a worker."""

    def start(self) -> None:
        """Start a worker."""
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_work, args=(theirs, self.function))
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours))

    def results(self) -> Iterator[_Result]:
        """Yield the results in the order of the items."""
        for number in range(len(self.items)):
            while number not in self._done:
                self._give(number + _AHEAD * len(self._workers))
                self._receive()
            yield self._done.pop(number)

    def _give(self, end: int) -> None:
        """Give the items before number `end` to the workers that have none."""
        for worker in self._workers:
            if worker.item is None and self._next < min(end, len(self.items)):
                worker.item, self._next = self._next, self._next + 1
                worker.watch.restart()
                # An OSError means that the worker has ended, which `_receive` finds.
                with contextlib.suppress(OSError):
                    worker.pipe.send(self.items[worker.item])

    def _receive(self) -> None:
        """Wait for results, and replace the workers that have ended."""
        busy = {worker.pipe: worker for worker in self._workers if worker.item is not None}
        ready = wait(list(busy), _POLL_SECONDS)
        for pipe in ready:
            worker = busy[pipe]  # type: ignore[index]
            try:
                answer = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                self._replace(worker, describe_exit(worker.process.exitcode))
                continue
            number, worker.item = worker.item, None
            if isinstance(answer, _Raised):
                raise answer.error
            assert number is not None
            self._done[number] = answer
        if not ready:
            for worker in busy.values():
                if (reason := worker.watch.stall([worker.process.pid or 0])) is not None:
                    worker.process.kill()
                    worker.process.join()
                    self._replace(worker, reason, stalled=True)

    def _replace(self, worker: _Worker, reason: str, *, stalled: bool = False) -> None:
        """Give up the item of a worker that has ended, and start another worker."""
        assert worker.item is not None
        item, text = self.items[worker.item], f"the process that read it {reason}"
        if self.lost is None or not (stalled or worker.process.exitcode in CRASHES):
            raise CannotRun(
                f"{item}: {text}"
                + ("" if stalled else "; memory may have run out; use fewer --workers")
            )
        self._done[worker.item] = self.lost(item, text)
        worker.pipe.close()
        self._workers.remove(worker)
        with self.context.starting():
            self.start()


@attrs.frozen
class _Raised:
    """An exception of the function."""

    error: Exception


def _work(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Answer each item with its result, in a worker process."""
    while True:
        try:
            item = pipe.recv()
        except EOFError:  # the main process needs no more
            return
        try:
            answer = function(item)
        except Exception as error:
            answer = _Raised(_portable(error))
        pipe.send(answer)


def _portable(error: Exception) -> Exception:
    """Return the exception, or one with the same text where it cannot be sent."""
    try:
        copy = ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:  # the constructor of an exception may need anything
        copy = None
    if type(copy) is type(error) and str(copy) == str(error):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
