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

from pathlib import Path

import attrs


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
