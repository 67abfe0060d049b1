"""Run the trainings of a study, in parallel, and keep each result as a small JSON file.

A study is a list of cases, the most informative ones first. A case calls `Trainings.run` for each
training that it needs, and may make a network from the result of an earlier training. A training
whose result is in the folder is not repeated, so a study that was stopped continues where it was,
and tables are made again without training.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

import attrs

from anetc.data.spec import parse_spec, spec_text
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialFolder, TrialJob, TrialResult
from anetdsl.evolve.workers.executors import Workers
from anetdsl.evolve.workers.trial_process import TrialTask
from anetdsl.files import make_folder, write_atomically

T = TypeVar("T")

SCHEMA = "anetdsl-study-training"
SCHEMA_VERSION = 1
_DIGITS = 10
"""Digits of the digest in a name."""
_LEFT_OUT = ("schema", "schema_version", "trained_on", "inherited", "peak_memory")
"""Fields of a trial's result that no study needs."""


def digest_of(values: Any) -> str:
    """Return a short digest of JSON values, for the name of a file or a folder."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


class NotTrained(Exception):
    """A result is not in the folder, and nothing may be trained."""


class TrainingFailed(Exception):
    """A training failed."""


class Diverged(TrainingFailed):
    """The loss of a training became infinite or not a number, as it would the next time."""


@attrs.frozen(kw_only=True)
class TrialPlan:
    """Data and settings of the trials of a study."""

    data: str
    iterations: int = 100
    batch: int = 16
    learning_rate: float = 0.2
    warmup: float = 0.1
    label_smoothing: float = 0.0
    edge_rate: float = 4.0
    """Learning rate of the edge weights, as a multiple of the others'."""

    def training(self) -> dict[str, Any]:
        """Return the settings of a training, without a seed."""
        names = ("iterations", "batch", "learning_rate", "warmup", "label_smoothing", "edge_rate")
        return {name: getattr(self, name) for name in names}


@attrs.frozen
class Training:
    """A training of a study, from the initial weights of its seed."""

    name: str
    """Readable start of the file name, such as `edges-fixed-small_assemblenet-0`."""
    text: str
    job: TrialJob
    test: bool = False
    """True to evaluate the trained network on the test split, too. These measures have the prefix
    `test_`; networks and settings are chosen without them."""

    @property
    def file_name(self) -> str:
        """Name of the file of the result. Other texts and jobs have other names."""
        values = [self.text, *_job_values(self.job).items(), *(["test"] if self.test else [])]
        return f"{self.name}-{digest_of(values)}.json"


@attrs.define
class Trainings:
    """The trainings of a study, with a folder of results. Several threads may use it."""

    folder: Path
    """Folder of the results. Trainings run in the folder `runs` beside it."""
    workers: Workers | None = None
    """Workers that train; None to use the results of the folder alone."""
    executor: str = "threads:1"
    """Executor of a search that is a part of a case."""
    path: str | None = None
    """Full path of the data; None for generated data. Results hold the last part of the path alone,
    so that they are the same on all machines."""
    trained: int = 0
    """Number of trainings that this process did."""
    on_stop: list[Callable[[], None]] = attrs.field(factory=list)
    """Functions that stop the searches that run."""
    stopping: threading.Event = attrs.field(factory=threading.Event)
    """Set when the study is stopped: nothing may start any more."""
    _locks: dict[str, threading.Lock] = attrs.field(factory=dict)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def lock(self, name: str) -> threading.Lock:
        """Return the lock of a training or a search, which other cases may need, too."""
        with self._lock:
            return self._locks.setdefault(name, threading.Lock())

    def run(self, training: Training) -> TrialResult:
        """Return the result of a training; train if it is not known yet.

        Raise NotTrained, TrainingFailed for a training that failed, and Diverged for one that
        diverged, also in an earlier process.
        """
        path = self.folder / training.file_name
        with self.lock(path.name):
            result = read_result(path)
            if result is None:
                if self.workers is None:
                    raise NotTrained(path.name)
                if self.stopping.is_set():
                    raise TrainingFailed(f"{training.name}: stopped")
                text = _file_text(training, self._train(training, self.workers))
                with self._lock:
                    self.trained += 1
                write_atomically(path, text)
                result = _from_text(text)  # the same value as that of a later process
        if result.status == "failed":
            raise Diverged(f"{training.name}: {result.failure}: {result.message}")
        return result

    def found(self, data: str) -> str:
        """Return data with their full path."""
        if self.path is None:
            return data
        return spec_text(attrs.evolve(parse_spec(data), path=self.path))

    def _train(self, training: Training, workers: Workers) -> TrialResult:
        """Train in a process of its own. A result that would differ next time is not returned."""
        runs = self.folder.parent / "runs"
        make_folder(runs)
        with TemporaryDirectory(prefix="training-", dir=runs) as scratch:
            first = TrialFolder(Path(scratch) / "1")
            job = attrs.evolve(training.job, data=self.found(training.job.data))
            result = _run_trial(training.name, first, training.text, job, workers)
            if training.test and result.status == "done":
                job = attrs.evolve(job, split="test", evaluate=str(first.weights))
                folder = TrialFolder(Path(scratch) / "2")
                tested = _run_trial(training.name, folder, training.text, job, workers)
                if tested.status != "done":
                    return tested
                found = {f"test_{name}": value for name, value in tested.measures.items()}
                found["test_fitness"] = tested.fitness
                result = attrs.evolve(result, measures={**result.measures, **found})
        return result

    def stop(self) -> None:
        """Stop what runs on behalf of the cases."""
        self.stopping.set()
        for function in list(self.on_stop):
            function()
        if self.workers is not None:
            self.workers.stop()


def _run_trial(
    name: str, folder: TrialFolder, text: str, job: TrialJob, workers: Workers
) -> TrialResult:
    """Run a trial. Raise TrainingFailed unless it is done, or would fail again."""
    folder.path.mkdir()
    folder.candidate.write_text(text, encoding="utf-8")
    folder.job.write_text(json.dumps(job.to_json()), encoding="utf-8")
    outcome = workers.executor.submit(workers.run, TrialTask(name, str(folder.path))).result()
    if outcome.result is not None:
        return outcome.result
    if outcome.failure == "nan":
        return TrialResult(status="failed", failure="nan", message=outcome.message)
    raise TrainingFailed(f"{name}: {outcome.failure}: {outcome.message}")


def read_result(path: Path) -> TrialResult | None:
    """Return the result in a file; None if there is none. Raise CannotRun for a damaged file."""
    try:
        return _from_text(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise CannotRun(
            f"{path}: cannot be used: {error}; remove it, and its network is trained again"
        ) from None


def _from_text(text: str) -> TrialResult:
    document = json.loads(text)
    if document["schema"] != SCHEMA:
        raise ValueError("it is no result of a study")
    return TrialResult.from_json(document["result"])


def _job_values(job: TrialJob) -> dict[str, Any]:
    """Return the values of a job that its result depends on."""
    values = {name: getattr(job, name) for name in ("data", "split", "settings", "recipe")}
    if job.folds != "one":
        values["folds"] = job.folds
    return {name: value for name, value in values.items() if value}


def _file_text(training: Training, result: TrialResult) -> str:
    found = result.to_json()
    document = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "name": training.name,
        "job": _job_values(training.job),
        "result": {name: value for name, value in found.items() if name not in _LEFT_OUT},
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


@attrs.frozen
class Case(Generic[T]):
    """A part of a study that does not depend on other cases."""

    name: str
    compute: Callable[[Trainings], T]
    """Function that returns the row of the case. It may raise NotTrained and TrainingFailed."""


@attrs.frozen
class Finished(Generic[T]):
    """A case that ended: its row, or why there is none."""

    case: Case[T]
    row: T | None
    problem: str = ""


def run_cases(
    cases: Sequence[Case[T]],
    folder: Path,
    workers: Workers,
    executor: str = "threads:1",
    path: str | None = None,
) -> Iterator[Finished[T]]:
    """Compute cases, as many at a time as there are workers, and yield each when it ends.

    They start in their order. `executor` is that of the searches of a case, each of which runs one
    trial at a time on this machine. `path` is the full path of the data. When the iterator is
    closed, all trainings are stopped; the results of finished ones are in the folder. Raise
    CannotRun if the folder cannot be made.
    """
    make_folder(folder)
    trainings = Trainings(folder, workers, executor, path)
    pool = ThreadPoolExecutor(max(workers.capacity(), 1), "case")
    running: dict[Future[T], Case[T]] = {}
    try:
        for case in cases:
            running[pool.submit(case.compute, trainings)] = case
        for future in as_completed(running):
            yield _finished(running[future], future)
    finally:
        for future in running:
            future.cancel()
        trainings.stop()
        pool.shutdown(wait=True)


def known_cases(cases: Sequence[Case[T]], folder: Path) -> Iterator[Finished[T]]:
    """Yield the cases whose trainings are all in a folder, and those that failed there."""
    trainings = Trainings(folder)
    for case in cases:
        future: Future[T] = Future()
        try:
            future.set_result(case.compute(trainings))
        except NotTrained:
            continue
        except TrainingFailed as error:
            future.set_exception(error)
        yield _finished(case, future)


def _finished(case: Case[T], future: Future[T]) -> Finished[T]:
    try:
        return Finished(case, future.result())
    except TrainingFailed as error:
        return Finished(case, None, str(error))
