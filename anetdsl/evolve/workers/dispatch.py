"""Trials given to workers, and what came of them, from the workers' threads to the driver's."""

from __future__ import annotations

import functools
import queue
import secrets
from concurrent.futures import Future
from pathlib import Path

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.workers.executors import Workers
from anetdsl.evolve.workers.trial_process import COMMAND, Job, Outcome


@attrs.frozen
class Trials:
    """How trials are run."""

    workers: Workers
    command: tuple[str, ...] = COMMAND
    """Of one trial; its folder is the last word."""
    driver: str = attrs.field(factory=lambda: secrets.token_hex(8))
    """This driver's name, which its pulse starts with."""
    _ended: queue.SimpleQueue[tuple[int, Outcome] | None] = attrs.field(factory=queue.SimpleQueue)

    def submit(self, index: int, name: str, folder: str, pulse: Path, limit: float | None) -> None:
        """Have a candidate's trial run; `limit` is its own, in seconds. Raises CannotRun."""
        job = Job(
            name,
            folder,
            self.command,
            # The trial can say more about its time being up: it is given some to do so.
            None if limit is None else 1.1 * limit + 1.0,
            str(pulse.absolute()) if self.workers.remote else None,
            self.driver,
            allowed=limit,
        )
        try:
            future = self.workers.executor.submit(self.workers.run, job)
        except RuntimeError as error:
            raise CannotRun(f"no trial can be started: {error}") from None
        future.add_done_callback(functools.partial(self._note_end, index))

    def wait(self, seconds: float) -> list[tuple[int, Outcome]]:
        """What has ended since the last call, by index; waits for something, or until woken."""
        found: list[tuple[int, Outcome]] = []
        try:
            item = self._ended.get(timeout=seconds)
            while True:
                if item is not None:
                    found.append(item)
                item = self._ended.get_nowait()
        except queue.Empty:
            return found

    def wake(self) -> None:
        """End a `wait`. May be called by a signal's handler."""
        self._ended.put(None)

    def _note_end(self, index: int, future: Future[Outcome]) -> None:
        """Called in a thread of the executor's."""
        if future.cancelled():
            outcome = Outcome(failure="killed", message="its executor gave it up")
        elif error := future.exception():
            outcome = Outcome(failure="killed", message=f"its worker was lost: {error}")
        else:
            outcome = future.result()
        self._ended.put((index, outcome))
