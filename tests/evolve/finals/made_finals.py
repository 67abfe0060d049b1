"""Finals of the tests: their trainings are functions that run in threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.finals import finals_driver
from anetdsl.evolve.finals.contestants import choose_contestants
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.finals.plan import Plan, write_plan
from anetdsl.evolve.finals.standings import Standings
from anetdsl.evolve.settings.finals_settings import FinalsSettings
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.trainings.training_folder import TrainingFolder
from anetdsl.evolve.trainings.training_runner import TrainingRunner
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.executors import Workers
from tests.evolve.trainings.running import Trial, train


def plan_of(run: Run, settings: FinalsSettings) -> Plan:
    """Return the plan of finals that have not begun."""
    contestants, notes = choose_contestants(run.members, run.settings, settings)
    return Plan(
        settings=settings,
        steps=settings.steps or 20,
        full_steps=settings.full_steps or 50,
        trial={"data": "motion", "split": "validation", "settings": {"batch": 8}},
        test_split=settings.test_split or "test",
        contestants=contestants,
        notes=notes,
    )


def run_finals(
    run: Run,
    plan: Plan,
    trial: Trial = train,
    *,
    keep_all_weights: bool = False,
    ready: Callable[[TrainingRunner], None] = lambda _: None,
) -> Standings | None:
    """Run finals in this process."""

    @contextlib.contextmanager
    def opened(folder: TrainingFolder, running: Running, **_: Any) -> Iterator[TrainingRunner]:
        with ThreadPoolExecutor(3) as pool:
            workers = Workers(pool, lambda: 3, trial, lambda: None)
            yield TrainingRunner(folder, running, Dispatcher(workers))

    directory = FinalsDir.of(run.path)
    if not directory.plan.exists():
        write_plan(directory, plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finals_driver, "open_trainings", opened)
        running = Running(keep_all_weights=keep_all_weights)
        return finals_driver.drive_finals(directory, plan, running, run.name, ready=ready)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the result files of finals, by name."""
    names = ("winner.anet", "weights.safetensors", "table.md", "table.json")
    return {name: (folder / name).read_bytes() for name in names}
