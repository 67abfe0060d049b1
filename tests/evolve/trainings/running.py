"""Run trainings of the tests in this process: they are functions in threads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from anetdsl.evolve.contract import TrialResult
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.trainings.training_folder import TrainingFolder
from anetdsl.evolve.trainings.training_runner import TrainingRunner
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.executors import Workers
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from tests.evolve.trainings.synthetic_training import write_result

Trial = Callable[[TrialTask], Outcome]


def train(task: TrialTask) -> Outcome:
    """Run a training that takes no time."""
    folder = Path(task.folder)
    write_result(folder)
    result = TrialResult.from_json(json.loads((folder / "result.json").read_text()))
    return Outcome(result=result, text=(folder / "trained.anet").read_text())


@contextlib.contextmanager
def runner(
    folder: Path, trial: Trial = train, *, workers: int = 3, retries: int = 1
) -> Iterator[TrainingRunner]:
    """Yield a runner whose trainings are calls of a function."""
    with ThreadPoolExecutor(workers) as pool:
        run = Workers(pool, lambda: workers, trial, lambda: None)
        yield TrainingRunner(TrainingFolder(folder), Running(retries=retries), Dispatcher(run))
