"""Read a run directory, also while a driver works in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.evolve.candidates import Member, Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import open_for_reading
from anetdsl.evolve.fitness_values import of_records
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.files import check_file_of


@attrs.frozen
class Run:
    """A run as its directory describes it: the settings, and every candidate so far."""

    path: Path
    settings: SearchSettings
    trial: Mapping[str, Any]
    """Job of all trials (`job.json`), without the values that differ between candidates."""
    records: tuple[Record, ...]
    """Candidates by index."""
    started: float | None = None
    """When the run was created, in seconds since the epoch."""
    finished: float | None = None
    """When the last candidate finished; None if the search is not complete."""
    running: Running = attrs.field(factory=Running)
    """Settings for running trials, as they are now."""
    classes: tuple[str, ...] = ()
    """Names of the data's classes; empty in runs of old versions, which do not record them."""

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.absolute().name

    @property
    def members(self) -> tuple[Member, ...]:
        """The networks that have a result, by index; their fitness is that of all trainings."""
        fitness = of_records(self.records)
        return tuple(
            Member(
                one.index, one.name, one.text, fitness[one.name].mean, fitness[one.name].trainings
            )
            for one in self.records
            if one.confirms is None and one.name in fitness
        )

    def record(self, name: str) -> Record:
        """Return the candidate of a name. Raise KeyError if there is none."""
        for record in self.records:
            if record.name == name:
                return record
        raise KeyError(name)


def read_run(path: str | Path) -> Run:
    """Read a run directory, also while a driver works in it.

    Raise CannotRun if it is not a run directory or its database cannot be read.
    """
    directory = RunDir(path)
    with open_for_reading(directory) as store:
        settings = store.settings()
        return Run(
            path=directory.path,
            settings=settings.search,
            trial=settings.trial,
            records=tuple(store.records()),
            started=store.started(),
            finished=store.finished(),
            running=settings.running,
            classes=_classes(directory),
        )


def _classes(directory: RunDir) -> tuple[str, ...]:
    """Return the names of the classes, or none if the record of the data cannot be read."""
    try:
        check_file_of(directory.path, directory.data)
        names = json.loads(directory.data.read_bytes())["trained_on"]["classes"]
        return tuple(map(str, names))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return ()
