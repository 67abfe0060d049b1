"""Read a run directory, also while a driver works in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.evolve.candidates import Member, Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import open_for_reading
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.settings.search_settings import SearchSettings


@attrs.frozen
class Run:
    """What a run directory says: what was asked for, and every candidate so far."""

    path: Path
    settings: SearchSettings
    trial: Mapping[str, Any]
    """The job that each candidate is trained by (`job.json`), but for what differs among them."""
    records: tuple[Record, ...]
    """In the order of their indices."""
    started: float | None = None
    """When the first driver started, seconds since the epoch."""
    finished: float | None = None
    """When the last candidate was finished; None while some are missing."""
    running: Running = attrs.field(factory=Running)
    """How trials are run, as the settings say now."""

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.absolute().name

    @property
    def members(self) -> tuple[Member, ...]:
        """The candidates that have a result, in the order of their indices."""
        return tuple(
            Member(record.index, record.name, record.text, record.fitness)
            for record in self.records
            if record.status == "done" and record.fitness is not None
        )

    def record(self, name: str) -> Record:
        """The candidate of that name. Raises KeyError when there is none."""
        for record in self.records:
            if record.name == name:
                return record
        raise KeyError(name)


def read_run(path: str | Path) -> Run:
    """What a run directory says now, also while a driver works in it.

    Raises CannotRun where it is none, or its database cannot be read.
    """
    directory = RunDir(path)
    with open_for_reading(directory) as store:
        asked = store.asked()
        return Run(
            path=directory.path,
            settings=asked.search,
            trial=asked.trial,
            records=tuple(store.records()),
            started=store.started(),
            finished=store.finished(),
            running=asked.running,
        )
