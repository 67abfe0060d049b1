"""A run directory: where its files are, and what it says when it is read.

    RUN/settings.toml      what was asked for; another run may be started from it
    RUN/search.db          every event of the run (SQLite); made anew from the files by --rebuild
    RUN/archs/g0012.anet   a candidate: once trained, with its learned edge weights and score
    RUN/trials/g0012/      its record, and a folder for each time that its training was started
    RUN/inbox/             .anet files that are put here join as candidates
    RUN/lock               held by the one driver at work

A directory may be read while a driver works in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.evolve.asked import Running
from anetdsl.evolve.values import Member, Record, SearchSettings


@attrs.frozen
class RunDir:
    """The places of a run directory."""

    path: Path = attrs.field(converter=Path)

    @property
    def settings(self) -> Path:
        """What was asked for, TOML."""
        return self.path / "settings.toml"

    @property
    def database(self) -> Path:
        """Every event, committed before it is acted on."""
        return self.path / "search.db"

    @property
    def lock(self) -> Path:
        """Locked by the operating system while a driver works here."""
        return self.path / "lock"

    @property
    def pulse(self) -> Path:
        """Rewritten by the driver every few seconds; trials on other machines end without it."""
        return self.path / "pulse"

    @property
    def archs(self) -> Path:
        """The candidates' texts."""
        return self.path / "archs"

    @property
    def trials(self) -> Path:
        """A folder for each candidate whose training was started."""
        return self.path / "trials"

    @property
    def inbox(self) -> Path:
        """Where people put networks that shall join."""
        return self.path / "inbox"

    def arch(self, name: str) -> Path:
        """A candidate's text."""
        return self.archs / f"{name}.anet"

    def trial(self, name: str) -> Path:
        """What belongs to a candidate's training."""
        return self.trials / name

    def record(self, name: str) -> Path:
        """All that the database says of a candidate but its text, JSON."""
        return self.trial(name) / "record.json"

    def job(self, name: str, start: int) -> Path:
        """The folder of one start of a candidate's training; starts are numbered from 1."""
        return self.trial(name) / str(start)


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
    from anetdsl.evolve.store import open_for_reading

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
