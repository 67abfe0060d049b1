"""Paths of the files in a run directory.

    RUN/settings.toml      settings of the run; another run can be started from this file
    RUN/data.json          classes, clips and videos of the data (and RUN/videos.jsonl)
    RUN/search.db          every event of the run (SQLite); --rebuild makes it from the other files
    RUN/archs/g0012.anet   text of a candidate; once trained, with learned edge weights and score
    RUN/trials/g0012/      record of the candidate, and a folder for each start of its training
    RUN/inbox/             a person adds a candidate by putting an .anet file here
    RUN/lock               locked by the one driver that works here
    RUN/heartbeat          rewritten by a driver whose trials run on other machines

A run directory can be read while a driver works in it.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from anetdsl.evolve.contract import TrialFolder


@attrs.frozen
class RunDir:
    """A run directory."""

    path: Path = attrs.field(converter=Path)

    @property
    def settings(self) -> Path:
        """Settings of the run, TOML."""
        return self.path / "settings.toml"

    @property
    def data(self) -> Path:
        """Record of the data that the search began with, JSON."""
        return self.path / "data.json"

    @property
    def database(self) -> Path:
        """Database of events and candidates, SQLite."""
        return self.path / "search.db"

    @property
    def write_ahead_log(self) -> Path:
        """Log of SQLite, which exists while a driver works, and after a driver was killed."""
        return self.database.with_name(f"{self.database.name}-wal")

    @property
    def lock(self) -> Path:
        """File that a driver locks through the operating system while it works."""
        return self.path / "lock"

    @property
    def heartbeat(self) -> Path:
        """File that the driver rewrites every few seconds; remote trials end without it."""
        return self.path / "heartbeat"

    @property
    def archs(self) -> Path:
        """Folder of the candidates' texts."""
        return self.path / "archs"

    @property
    def trials(self) -> Path:
        """Folder with one folder for each candidate."""
        return self.path / "trials"

    @property
    def inbox(self) -> Path:
        """Folder for networks that people add."""
        return self.path / "inbox"

    @property
    def accepted(self) -> Path:
        """Folder of the inbox files that became candidates."""
        return self.inbox / "accepted"

    def arch(self, name: str) -> Path:
        """Return the path of a candidate's text."""
        return self.archs / f"{name}.anet"

    def candidate_folder(self, name: str) -> Path:
        """Return the folder of a candidate's record and trials."""
        return self.trials / name

    def record(self, name: str) -> Path:
        """Return the path of a candidate's record: the database row without its texts, JSON."""
        return self.candidate_folder(name) / "record.json"

    def trial_folder(self, name: str, start: int) -> TrialFolder:
        """Return the folder of one start of a candidate's training; starts count from 1."""
        return TrialFolder(self.candidate_folder(name) / str(start))
