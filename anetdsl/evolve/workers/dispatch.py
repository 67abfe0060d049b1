"""Give trials to the workers and pass their outcomes from the workers' threads to the driver's."""

from __future__ import annotations

import functools
import queue
import secrets
from concurrent.futures import Future
from pathlib import Path

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialFolder
from anetdsl.evolve.workers.executors import Workers
from anetdsl.evolve.workers.trial_process import COMMAND, Outcome, TrialTask


@attrs.frozen
class Dispatcher:
    """The trials that a driver has submitted to its workers."""

    workers: Workers
    command: tuple[str, ...] = COMMAND
    """Command of a trial without its last word, the folder."""
    driver: str = attrs.field(factory=lambda: secrets.token_hex(8))
    """Identifier of this driver, with which its heartbeat file starts."""
    _ended: queue.SimpleQueue[tuple[int, Outcome] | None] = attrs.field(factory=queue.SimpleQueue)

    def submit(
        self, index: int, name: str, folder: TrialFolder, heartbeat: Path, time_limit: float | None
    ) -> None:
        """Submit a candidate's trial. Raise CannotRun if the executor was shut down."""
        task = TrialTask(
            name,
            str(folder.path.absolute()),
            self.command,
            # Later than the job's limit: the trial gets time to report that its time is up.
            None if time_limit is None else 1.1 * time_limit + 1.0,
            str(heartbeat.absolute()) if self.workers.remote else None,
            self.driver,
            time_limit=time_limit,
        )
        try:
            future = self.workers.executor.submit(self.workers.run, task)
        except RuntimeError as error:
            raise CannotRun(f"no trial can be started: {error}") from None
        future.add_done_callback(functools.partial(self._enqueue_outcome, index))

    def wait(self, seconds: float) -> list[tuple[int, Outcome]]:
        """Return the outcomes since the last call, with the indices of the candidates.

        Wait up to `seconds` for the first one, or until `wake` is called.
        """
        outcomes: list[tuple[int, Outcome]] = []
        try:
            item = self._ended.get(timeout=seconds)
            while True:
                if item is not None:
                    outcomes.append(item)
                item = self._ended.get_nowait()
        except queue.Empty:
            return outcomes

    def wake(self) -> None:
        """End a `wait`. A signal handler may call this."""
        self._ended.put(None)

    def _enqueue_outcome(self, index: int, future: Future[Outcome]) -> None:
        """Keep the outcome for `wait`. The executor calls this in one of its threads."""
        if future.cancelled():
            outcome = Outcome(failure="killed", message="the executor cancelled it")
        elif error := future.exception():
            outcome = Outcome(failure="killed", message=f"its worker was lost: {error}")
        else:
            outcome = future.result()
        self._ended.put((index, outcome))
