"""`search.db`: every event of a run, committed before it is acted on. One driver writes it.

SQLite in write-ahead mode: readers never wait for the driver, nor it for them. A commit is on the
disk when it returns.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.operations import operations_from_json, operations_to_json
from anetdsl.evolve.settings.run_settings import EMPTY, RunSettings, settings_of, settings_text
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.evolve.settings.toml import parse_document

VERSION = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS candidates (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
    proposal TEXT NOT NULL, text TEXT NOT NULL, identity TEXT NOT NULL, parent TEXT,
    operations TEXT NOT NULL DEFAULT '[]', source TEXT, fitness REAL, top1 REAL, top5 REAL,
    parameters INTEGER, multiply_adds INTEGER, seconds REAL, peak_memory INTEGER,
    measures TEXT NOT NULL DEFAULT '[]', iterations INTEGER, failure TEXT, message TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, faults INTEGER NOT NULL DEFAULT 0,
    short REAL, bar REAL, proposed REAL, started REAL, finished REAL
);
CREATE INDEX IF NOT EXISTS by_status ON candidates (status, fitness);
CREATE INDEX IF NOT EXISTS by_finish ON candidates (finished);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, number INTEGER, kind TEXT NOT NULL, about TEXT
);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {VERSION};
"""


@attrs.frozen
class Candidate:
    """A record, with what only the driver needs."""

    record: Record
    proposal: str
    """The text as it was proposed."""
    identity: str
    faults: int = 0
    """How often it was killed, out of memory or hung."""
    short: float | None = None
    """Its fitness after the short training, where there is one."""
    bar: float | None = None
    """What its short fitness must reach for the long training, None for nothing; known when it is
    proposed."""

    @property
    def name(self) -> str:
        """The record's name."""
        return self.record.name

    @property
    def index(self) -> int:
        """The record's index."""
        return self.record.index

    @property
    def is_finished(self) -> bool:
        """Whether its fate is known."""
        return self.record.status in ("done", "failed")


_RECORD = tuple(field.name for field in attrs.fields(Record) if field.name != "index")
_OWN = ("proposal", "identity", "faults", "short", "bar")
_COLUMNS = ("number", *_RECORD, *_OWN)


class Store:
    """The database of one run."""

    def __init__(self, connection: sqlite3.Connection, name: Path) -> None:
        self.connection = connection
        self.name = name

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """All changes within the block are on the disk, together, when it has ended.

        Raises CannotRun, naming the database, where it cannot be written.
        """
        with self._explained():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    def event(self, kind: str, number: int | None = None, **about: Any) -> None:
        """Note that something happened, within `commit`."""
        self.connection.execute(
            "INSERT INTO events (time, number, kind, about) VALUES (?, ?, ?, ?)",
            (time.time(), number, kind, json.dumps(about) if about else None),
        )

    def put(self, candidate: Candidate) -> None:
        """A candidate as it is now, in place of what was known of it, within `commit`."""
        record = candidate.record
        values: list[Any] = [record.index]
        for name in _RECORD:
            value = getattr(record, name)
            if name == "operations":
                value = json.dumps(operations_to_json(value))
            elif name == "measures":
                value = json.dumps(value)
            values.append(value)
        values += [getattr(candidate, name) for name in _OWN]
        marks = ", ".join("?" * len(_COLUMNS))
        self.connection.execute(
            f"INSERT OR REPLACE INTO candidates ({', '.join(_COLUMNS)}) VALUES ({marks})", values
        )

    def set_meta(self, name: str, value: str) -> None:
        """A text that is kept under a name, within `commit`."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def keep_settings(self, asked: RunSettings) -> None:
        """What the run is asked for from now on, within `commit`."""
        self.set_meta("settings", settings_text(asked))

    def asked(self) -> RunSettings:
        """What the run was asked for last. Raises CannotRun."""
        text = self._meta("settings")
        if text is None:
            raise CannotRun(f"{self.name}: holds no settings; `anetc evolve --rebuild` mends that")
        return settings_of(parse_document(f"{self.name} (settings)", text), EMPTY)

    def settings(self) -> SearchSettings:
        """The search's settings."""
        return self.asked().search

    def trial(self) -> Mapping[str, Any]:
        """The job that each candidate is trained by."""
        return self.asked().trial

    def candidates(
        self, where: str = "", *values: Any, order: str = "number"
    ) -> Iterator[Candidate]:
        """The candidates, or those of an SQL condition, one after the other."""
        condition = f"WHERE {where}" if where else ""
        query = f"SELECT {', '.join(_COLUMNS)} FROM candidates {condition} ORDER BY {order}"
        with self._explained():
            for row in self.connection.execute(query, values):
                yield _candidate(row)

    def candidate(self, index: int) -> Candidate:
        """One candidate. Raises KeyError where there is none."""
        for found in self.candidates("number = ?", index):
            return found
        raise KeyError(index)

    def records(self) -> Iterator[Record]:
        """All candidates in the order of their indices."""
        return (candidate.record for candidate in self.candidates())

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises CannotRun where the database cannot be read."""
        with self._explained():
            return self.connection.execute(query, values).fetchall()

    def started(self) -> float | None:
        """When the first driver started."""
        value = self._meta("started")
        return None if value is None else float(value)

    def finished(self) -> float | None:
        """When the last candidate was finished; None while some are missing."""
        rounds = self.settings().rounds
        ((count, last),) = self.query(
            "SELECT count(*), max(finished) FROM candidates WHERE status IN ('done', 'failed')"
        )
        return None if count < rounds else float(last)

    def _meta(self, name: str) -> str | None:
        rows = self.query("SELECT value FROM meta WHERE name = ?", name)
        return rows[0][0] if rows else None

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise explained(self.name, error) from None


@contextlib.contextmanager
def open_store(directory: RunDir, *, new: bool = False) -> Iterator[Store]:
    """The database, for the driver. Raises CannotRun where it cannot be used."""
    if not new and not directory.database.exists():
        raise CannotRun(_missing(directory))
    try:
        connection = sqlite3.connect(directory.database, isolation_level=None, timeout=30)
    except sqlite3.Error as error:
        raise explained(directory.database, error) from None
    try:
        with Store(connection, directory.database)._explained():
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if new:
                connection.executescript(_SCHEMA)
            _check(connection, directory.database)
        yield Store(connection, directory.database)
    finally:
        connection.close()


@contextlib.contextmanager
def open_for_reading(directory: RunDir) -> Iterator[Store]:
    """The database as it is at this moment. Raises CannotRun where it cannot be read."""
    if not directory.database.exists():
        raise CannotRun(_missing(directory))
    address = f"{directory.database.absolute().as_uri()}?mode=ro"
    try:
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=30)
    except sqlite3.Error as error:
        raise explained(directory.database, error) from None
    try:
        with Store(connection, directory.database)._explained():
            # One moment for all that is read.
            connection.execute("BEGIN")
            _check(connection, directory.database)
        yield Store(connection, directory.database)
    finally:
        connection.close()


def explained(name: Path, error: sqlite3.Error) -> CannotRun:
    """What a failure of SQLite means to a person."""
    text = str(error)
    if "full" in text:
        return CannotRun(f"{name}: cannot be written: the disk is full")
    if any(word in text for word in ("malformed", "not a database", "no such", "corrupt")):
        return CannotRun(
            f"{name}: is damaged ({text}); "
            f"`anetc evolve --rebuild {name.parent}` makes it anew from the other files"
        )
    return CannotRun(f"{name}: {text}")


def _missing(directory: RunDir) -> str:
    if not directory.path.is_dir():
        return f"{directory.path}: no such folder"
    if directory.settings.exists():
        return (
            f"{directory.database}: is missing; "
            f"`anetc evolve --rebuild {directory.path}` makes it anew from the other files"
        )
    return f"{directory.path}: is no run directory: it holds no search.db"


def _check(connection: sqlite3.Connection, name: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0 and not RunDir(name.parent).settings.exists():
        raise CannotRun(f"{name.parent}: the search is only being made")
    if version == 0:
        raise sqlite3.DatabaseError("no such table")
    if version != VERSION:
        raise CannotRun(f"{name}: is of version {version}; this is for version {VERSION}")
    connection.execute("SELECT number FROM candidates LIMIT 1").fetchone()


def _candidate(row: tuple[Any, ...]) -> Candidate:
    values = dict(zip(_COLUMNS, row))
    own = {name: values.pop(name) for name in _OWN}
    values["operations"] = operations_from_json(json.loads(values["operations"]))
    values["measures"] = tuple((name, value) for name, value in json.loads(values["measures"]))
    return Candidate(Record(index=values.pop("number"), **values), **own)
