"""Run trainings on the workers of a search, resumably.

A training whose record is `done` is not run again. A training that was running when its process
ended continues from its last checkpoint. So a set of trainings can be stopped or killed at any
moment, and its numbers do not depend on that.
"""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs

from anetdsl import locks
from anetdsl.api import parse
from anetdsl.errors import AnetError, CannotRun
from anetdsl.evolve.contract import RETRIED, TrialFolder, TrialResult
from anetdsl.evolve.drive.heartbeat import heartbeat
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.trainings.training import Training, TrainingRecord
from anetdsl.evolve.trainings.training_folder import (
    TrainingFolder,
    delete_checkpoints,
    read_training,
    write_start,
    write_training,
)
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.executors import open_workers
from anetdsl.evolve.workers.trial_process import COMMAND, Outcome
from anetdsl.files import make_folder

_WAIT_SECONDS = 1.0


class Stopped(Exception):
    """Trainings were stopped on request. They can be resumed."""


@attrs.define
class TrainingRunner:
    """Workers for the trainings of a folder."""

    folder: TrainingFolder
    running: Running
    """Workers and limits; `retries` and `timeout` apply to each training."""
    trials: Dispatcher
    stopping: threading.Event = attrs.field(factory=threading.Event)
    """Set it to stop: running trainings are killed, and continue when they are resumed."""
    watch: Callable[[TrainingRunner], None] = lambda _: None
    """Function that is called after each change, and at least every second."""
    records: dict[str, TrainingRecord] = attrs.field(factory=dict)
    """Records of all trainings so far, by name."""
    _faults: dict[str, int] = attrs.field(factory=dict)

    def wake(self) -> None:
        """Have `run` check `stopping` at once. A signal handler may call this."""
        self.trials.wake()

    def run(self, trainings: Sequence[Training]) -> tuple[TrainingRecord, ...]:
        """Run trainings until all are done or failed; return their records in the same order.

        A failed training is started again up to `retries` times, and in later runs of the same
        folder, unless its loss was not finite.

        Raise CannotRun if a record belongs to another training, the disk is full or the workers
        are lost; Stopped if `stopping` is set.
        """
        check_names(trainings)
        waiting: deque[int] = deque()
        for index, training in enumerate(trainings):
            record = self._restored(training)
            self.records[training.name] = record
            if record.status != "done" and record.failure != "nan":
                waiting.append(index)
        active: set[int] = set()
        while waiting or active:
            while waiting and len(active) < self.trials.workers.capacity():
                if self.stopping.is_set():
                    break
                index = waiting.popleft()
                self._start(index, trainings[index])
                active.add(index)
            self.watch(self)
            if self.stopping.is_set():
                self._stop([trainings[index] for index in active])
            for index, outcome in self.trials.wait(_WAIT_SECONDS):
                if self.stopping.is_set():
                    break
                active.discard(index)
                if self._finish(trainings[index], outcome):
                    waiting.appendleft(index)
        self.watch(self)
        if self.stopping.is_set():
            raise Stopped
        return tuple(self.records[training.name] for training in trainings)

    def _restored(self, training: Training) -> TrainingRecord:
        """Return the record of a training, with a result that its process could not record."""
        record = read_training(self.folder, training)
        if record.status != "running":
            return record
        outcome = _outcome_of(self.folder.trial_folder(record))
        if outcome is None:
            return attrs.evolve(record, status="waiting")
        record = _finished(training, record, outcome)
        write_training(self.folder, record)
        return record

    def _start(self, index: int, training: Training) -> None:
        record = attrs.evolve(
            self.records[training.name],
            status="running",
            starts=self.records[training.name].starts + 1,
            started=time.time(),
            failure=None,
            message=None,
        )
        job = attrs.evolve(training.job, timeout=self.running.timeout)
        trial = write_start(self.folder, attrs.evolve(training, job=job), record)
        self._put(record)
        self.trials.submit(index, training.name, trial, self.folder.heartbeat, self.running.timeout)

    def _finish(self, training: Training, outcome: Outcome) -> bool:
        """Record the outcome of a start; return whether the training must start again."""
        if not self.trials.workers.is_connected():
            raise CannotRun("the cluster does not answer any more; start it and resume")
        name = training.name
        if outcome.is_disk_full:
            self._put(attrs.evolve(self.records[name], status="waiting"))
            raise CannotRun(f"{self.folder.path}: the disk is full: {outcome.message}")
        record = _finished(training, self.records[name], outcome)
        self._faults[name] = self._faults.get(name, 0) + (record.status == "failed")
        again = record.failure in RETRIED and self._faults[name] <= self.running.retries
        self._put(attrs.evolve(record, status="waiting") if again else record)
        if record.status == "done":
            delete_checkpoints(self.folder, name)
        return again

    def _stop(self, active: Sequence[Training]) -> None:
        self.trials.workers.stop()
        for training in active:
            self._put(attrs.evolve(self.records[training.name], status="waiting"))
        raise Stopped

    def _put(self, record: TrainingRecord) -> None:
        self.records[record.name] = record
        write_training(self.folder, record)


def check_names(trainings: Iterable[Training]) -> None:
    """Raise ValueError if two trainings have one name."""
    names = [training.name for training in trainings]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two trainings have the name {min(repeated)}")


def _finished(training: Training, record: TrainingRecord, outcome: Outcome) -> TrainingRecord:
    """Return the record of a training after a start has ended with an outcome."""
    failure, message, result = outcome.failure, outcome.message, outcome.result
    if failure is None and not _is_text_of(training, outcome):
        failure, message = "error", "the trained text is not the network of the training"
    if failure is not None or result is None:
        return attrs.evolve(
            record,
            status="failed",
            failure=failure or "error",
            message=message,
            finished=time.time(),
        )
    return attrs.evolve(
        record,
        status="done",
        fitness=result.fitness,
        measures=dict(result.measures),
        parameters=result.parameters,
        multiply_adds=result.multiply_adds,
        seconds=result.seconds,
        peak_memory=result.peak_memory,
        versions=dict(result.versions),
        failure=None,
        message=None,
        finished=time.time(),
    )


def _is_text_of(training: Training, outcome: Outcome) -> bool:
    """Return whether the trained text is the network of the training."""
    with contextlib.suppress(AnetError):
        return canonical_form(parse(outcome.text or "")) == _form_of(training.text)
    return False


@functools.lru_cache(64)
def _form_of(text: str) -> str:
    """Return the canonical form of a text; the trainings of a network share it."""
    return canonical_form(parse(text))


def _outcome_of(trial: TrialFolder) -> Outcome | None:
    """Return the outcome of a trial that has written its result; None if it has not."""
    try:
        result = TrialResult.from_json(json.loads(trial.result.read_bytes()))
        text = trial.trained.read_text(encoding="utf-8") if result.status == "done" else None
    except (OSError, ValueError, RecursionError):
        return None
    return Outcome(result=result, text=text, failure=result.failure, message=result.message)


@contextlib.contextmanager
def open_trainings(
    folder: TrainingFolder,
    running: Running,
    *,
    command: tuple[str, ...] = COMMAND,
) -> Iterator[TrainingRunner]:
    """Lock a folder of trainings and open the workers that run them.

    Raise CannotRun if another process runs trainings in the folder, or `running.executor` names
    no workers.
    """
    make_folder(folder.path)
    with (
        locks.locked(
            folder.lock,
            busy=lambda holder: f"{folder.path}: trainings are running here ({holder})",
            remove=False,
        ),
        open_workers(running.executor, running.gpus, running.per_gpu) as workers,
    ):
        runner = TrainingRunner(folder, running, Dispatcher(workers, command))
        with contextlib.ExitStack() as stack:
            if workers.remote:
                stack.enter_context(heartbeat(folder.heartbeat, runner.trials.driver))
            yield runner
