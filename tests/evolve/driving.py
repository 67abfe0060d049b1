"""Drive a search of the tests in this process: its trials are functions that run in threads."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from anetdsl.evolve.contract import TrialResult
from anetdsl.evolve.drive.driver import Driver, Rules
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.drive.search import catch_up, make_run
from anetdsl.evolve.drive.store import open_store
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.executors import Workers
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from tests.evolve.method import RULES
from tests.evolve.synthetic_trial import result_of, trained

Trial = Callable[[TrialTask], Outcome]


def at_once(task: TrialTask) -> Outcome:
    """Run a trial that takes no time."""
    folder = Path(task.folder)
    text = (folder / "candidate.anet").read_text(encoding="utf-8")
    seed = json.loads((folder / "job.json").read_bytes())["settings"]["seed"]
    return Outcome(result=TrialResult.from_json(result_of(text, seed)), text=trained(text, seed))


def after_a_while(longest: float, seed: int = 0) -> Trial:
    """Return a trial that takes a random time of up to `longest` seconds."""
    draw = random.Random(seed)

    def trial(task: TrialTask) -> Outcome:
        time.sleep(draw.uniform(0, longest))
        return at_once(task)

    return trial


def drive(
    folder: Path,
    settings: RunSettings | None = None,
    trial: Trial = at_once,
    *,
    workers: int = 4,
    watch: Callable[[Driver], None] = lambda _: None,
    rules: Rules | None = None,
) -> bool:
    """Create a run if there is none, and drive it in this process, by the rules of the tests."""
    directory = RunDir(folder)
    if settings is not None and not directory.settings.exists():
        make_run(directory, settings)
    with open_store(directory) as store, ThreadPoolExecutor(workers) as pool:
        catch_up(directory, store)
        ended = threading.Event()
        run = Workers(pool, lambda: workers, trial, ended.set)
        driver = Driver(directory, store.settings(), store, rules or RULES, Dispatcher(run))
        driver.watch = lambda: watch(driver)
        return driver.drive()


def searched(
    folder: Path,
    settings: RunSettings,
    trial: Trial = at_once,
    *,
    workers: int = 4,
    rules: Rules | None = None,
) -> Run:
    """Drive a search to its end and return its run."""
    assert drive(folder, settings, trial, workers=workers, rules=rules)
    return read_run(folder)


def essence(run: Run) -> list[tuple[object, ...]]:
    """Return the values of all candidates that do not depend on times and on restarts."""
    timeless = {"seconds", "peak_memory", "attempts", "proposed", "started", "finished"}
    return [
        tuple(
            value
            for name, value in attrs.asdict(record, recurse=False).items()
            if name not in timeless
        )
        for record in run.records
    ]
