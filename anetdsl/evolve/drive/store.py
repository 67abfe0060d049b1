"""Database of a run, `search.db`: every event is committed before the driver acts on it.

One driver writes the database. It is SQLite in write-ahead mode: readers do not wait for the
driver, and the driver does not wait for readers. A commit is on the disk when it returns.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.fitness_values import Fitness
from anetdsl.evolve.operations import (
    Described,
    Operation,
    operations_from_json,
    operations_to_json,
)
from anetdsl.evolve.settings.run_settings import EMPTY, RunSettings, settings_of, settings_text
from anetdsl.files import is_device
from anetdsl.settings_reader import parse_toml

VERSION = 2
"""Version of the format. Version 1 lacks the columns of `_ADDED`, and is still read."""
_ADDED = {"confirms": "TEXT", "standard_error": "REAL", "inherited_steps": "INTEGER"}
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS candidates (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
    proposal TEXT NOT NULL, text TEXT NOT NULL, identity TEXT NOT NULL, parent TEXT,
    ops TEXT NOT NULL DEFAULT '[]', source TEXT, fitness REAL, top1 REAL, top5 REAL,
    parameters INTEGER, multiply_adds INTEGER, seconds REAL, peak_memory INTEGER,
    measures TEXT NOT NULL DEFAULT '[]', iterations INTEGER, failure TEXT, message TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, faults INTEGER NOT NULL DEFAULT 0,
    short REAL, bar REAL, proposed REAL, started REAL, finished REAL,
    {", ".join(f"{name} {kind}" for name, kind in _ADDED.items())}
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
    """A candidate as the driver stores it: its record, and fields that only the driver needs."""

    record: Record
    proposal: str
    """Text as proposed."""
    canonical_form: str
    """Canonical form of the network, equal for networks that differ in names and order only."""
    faults: int = 0
    """Number of starts that ended with a failure after which the candidate was started again."""
    short_fitness: float | None = None
    """Fitness after the short training, if the search has one (`halving`)."""
    promotion_threshold: float | None = None
    """Least short fitness for the long training, fixed when the candidate is proposed; None: any
    fitness suffices."""

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
        """True if the candidate is done or has failed."""
        return self.record.status in ("done", "failed")


_RECORD_FIELDS = tuple(field.name for field in attrs.fields(Record))
_DRIVER_FIELDS = tuple(field.name for field in attrs.fields(Candidate) if field.name != "record")
_COLUMNS = {
    "index": "number",
    "operations": "ops",
    "canonical_form": "identity",
    "short_fitness": "short",
    "promotion_threshold": "bar",
}
"""Columns whose names differ from the names of the fields."""
_NUMBERS = (
    *("fitness", "standard_error", "top1", "top5", "parameters", "multiply_adds", "seconds"),
    *("peak_memory", "iterations", "attempts", "proposed", "started", "finished"),
)
_NAMES = [_COLUMNS.get(name, name) for name in (*_RECORD_FIELDS, *_DRIVER_FIELDS)]
_COLUMN_LIST = ", ".join(_NAMES)


class Store:
    """The database of one run."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """Commit all changes of the block together when the block ends.

        Raise CannotRun, naming the database, if the changes cannot be written.
        """
        with self._naming_errors():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    def add_event(self, kind: str, index: int | None = None, **details: Any) -> None:
        """Add an event, of the candidate with this index if there is one. Call it in `commit`."""
        self.connection.execute(
            "INSERT INTO events (time, number, kind, about) VALUES (?, ?, ?, ?)",
            (time.time(), index, kind, json.dumps(details) if details else None),
        )

    def put(self, candidate: Candidate) -> None:
        """Add a candidate, or replace the one of the same index. Call it in `commit`."""
        values = {name: getattr(candidate.record, name) for name in _RECORD_FIELDS}
        values["operations"] = json.dumps(operations_to_json(candidate.record.operations))
        values["measures"] = json.dumps(candidate.record.measures)
        values |= {name: getattr(candidate, name) for name in _DRIVER_FIELDS}
        marks = ", ".join("?" * len(values))
        self.connection.execute(
            f"INSERT OR REPLACE INTO candidates ({_COLUMN_LIST}) VALUES ({marks})",
            tuple(values.values()),
        )

    def set_meta(self, name: str, value: str) -> None:
        """Store a text under a name. Call it in `commit`."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def set_settings(self, settings: RunSettings) -> None:
        """Store the settings of the run. Call it in `commit`."""
        self.set_meta("settings", settings_text(settings))

    def settings(self) -> RunSettings:
        """Return the settings of the run. Raise CannotRun if there are none."""
        text = self._meta("settings")
        if text is None:
            raise CannotRun(
                f"{self.path}: contains no settings; run `anetc evolve --rebuild "
                f"{self.path.parent}` to rebuild it"
            )
        return settings_of(parse_toml(f"{self.path} (settings)", text), EMPTY)

    def candidates(
        self, where: str = "", *values: Any, order: str = "number"
    ) -> Iterator[Candidate]:
        """Yield all candidates, or those that fulfil an SQL condition."""
        condition = f"WHERE {where}" if where else ""
        missing = self._missing_columns()
        names = ", ".join(f"NULL AS {name}" if name in missing else name for name in _NAMES)
        query = f"SELECT {names} FROM candidates {condition} ORDER BY {order}"
        with self._naming_errors():
            for row in self.connection.execute(query, values):
                yield self._read_candidate(row)

    def find(self, where: str, *values: Any) -> Candidate | None:
        """Return the first candidate that fulfils an SQL condition, or None."""
        return next(self.candidates(where, *values), None)

    def best(self, count: int) -> list[tuple[str, Fitness]]:
        """Return the best networks and their fitness, with second looks, best first."""
        if self._missing_columns():
            who = error = "NULL"
        else:
            who, error = "confirms", "standard_error"
        ranked = self.query(
            f"SELECT coalesce({who}, name) AS one FROM candidates WHERE status = 'done' "
            "GROUP BY one ORDER BY avg(fitness) DESC, min(number) LIMIT ?",
            count,
        )
        found = []
        for (name,) in ranked:
            rows = self.query(
                f"SELECT fitness, {error} FROM candidates WHERE status = 'done' "
                f"AND (name = ? OR {who} = ?) ORDER BY number",
                name,
                name,
            )
            values, errors = zip(*rows)
            found.append((name, Fitness(values, errors)))
        return found

    def second_looks(self) -> int:
        """Return the number of second looks that are done."""
        if self._missing_columns():
            return 0
        query = "SELECT count(*) FROM candidates WHERE status = 'done' AND confirms IS NOT NULL"
        ((count,),) = self.query(query)
        return int(count)

    def records(self) -> Iterator[Record]:
        """Yield the records of all candidates by index."""
        return (candidate.record for candidate in self.candidates())

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raise CannotRun if the database cannot be read."""
        with self._naming_errors():
            return self.connection.execute(query, values).fetchall()

    def started(self) -> float | None:
        """Return when the run was created, in seconds since the epoch."""
        value = self._meta("started")
        return None if value is None else float(value)

    def finished(self) -> float | None:
        """Return when the last candidate finished, or None if the search is not complete."""
        candidates = self.settings().search.candidates
        ((count, last),) = self.query(
            "SELECT count(*), max(finished) FROM candidates WHERE status IN ('done', 'failed')"
        )
        return None if count < candidates else float(last)

    def _missing_columns(self) -> frozenset[str]:
        """Return the columns that a database of an earlier version lacks."""
        ((version,),) = self.query("PRAGMA user_version")
        return frozenset() if version >= VERSION else frozenset(_ADDED)

    def _meta(self, name: str) -> str | None:
        rows = self.query("SELECT value FROM meta WHERE name = ?", name)
        return rows[0][0] if rows else None

    def _read_candidate(self, row: tuple[Any, ...]) -> Candidate:
        try:
            return _candidate(row)
        except (ValueError, TypeError, LookupError) as error:
            raise CannotRun(
                f"{self.path}: candidate {row[0]} is damaged ({error}); {_advice(self.path.parent)}"
            ) from None

    @contextlib.contextmanager
    def _naming_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise database_error(self.path, error) from None


@contextlib.contextmanager
def open_store(directory: RunDir, *, new: bool = False) -> Iterator[Store]:
    """Open the database for the driver. Raise CannotRun if it cannot be used."""
    if not new and not directory.database.exists():
        raise _missing(directory)
    with _connected(str(directory.database), directory, uri=False) as store:
        with store._naming_errors():
            store.connection.execute("PRAGMA journal_mode = WAL")
            store.connection.execute("PRAGMA synchronous = FULL")
            if new:
                store.connection.executescript(_SCHEMA)
            _check(store)
            _update(store)
        yield store


@contextlib.contextmanager
def open_for_reading(directory: RunDir) -> Iterator[Store]:
    """Open the database as it is at this moment, and change nothing in the run directory.

    Raise CannotRun if it cannot be read.
    """
    if not directory.database.exists():
        raise _missing(directory)
    address = f"{directory.database.absolute().as_uri()}?mode=ro"
    if not directory.write_ahead_log.exists():
        # No driver has the database open. Without this option, SQLite would make the log, and could
        # not read in a folder that the user may not write to.
        address += "&immutable=1"
    with _connected(address, directory, uri=True) as store:
        with store._naming_errors():
            # One transaction: all that is read is of one moment.
            store.connection.execute("BEGIN")
            _check(store)
        yield store


def database_error(path: Path, error: sqlite3.Error) -> CannotRun:
    """Return the exception for an error of SQLite, with advice for the user."""
    text = str(error)
    if "full" in text:
        return CannotRun(f"{path}: cannot be written: the disk is full")
    if any(word in text for word in ("malformed", "not a database", "no such", "corrupt")):
        return CannotRun(f"{path}: the database is damaged ({text}); {_advice(path.parent)}")
    return CannotRun(f"{path}: {text}")


def read_operations(values: object) -> tuple[Operation, ...]:
    """Return operations of JSON values. Raise ValueError.

    A run of an earlier version has their sentences instead, as strings.
    """
    if isinstance(values, Sequence) and all(isinstance(value, str) for value in values):
        return tuple(map(Described, values))
    return operations_from_json(values)


@contextlib.contextmanager
def _connected(address: str, directory: RunDir, *, uri: bool) -> Iterator[Store]:
    if is_device(directory.database):  # Opening a FIFO would wait for a writer.
        raise CannotRun(f"{directory.database}: is not a regular file")
    try:
        connection = sqlite3.connect(address, uri=uri, isolation_level=None, timeout=30)
    except sqlite3.Error as error:
        raise database_error(directory.database, error) from None
    try:
        yield Store(connection, directory.database)
    finally:
        connection.close()


def _missing(directory: RunDir) -> CannotRun:
    if not directory.path.is_dir():
        return CannotRun(f"{directory.path}: no such folder")
    if directory.settings.exists():
        return CannotRun(f"{directory.database}: no such file; {_advice(directory.path)}")
    return CannotRun(f"{directory.path}: not a run directory: it contains no search.db")


def _advice(run: Path) -> str:
    return f"run `anetc evolve --rebuild {run}` to rebuild it from the other files"


def _check(store: Store) -> None:
    """Raise an exception if the database is not complete or has another version."""
    run = store.path.parent
    (version,) = store.connection.execute("PRAGMA user_version").fetchone()
    if version == 0 and not RunDir(run).settings.exists():
        raise CannotRun(f"{run}: the run directory is still being created; try again")
    if version == 0:
        raise sqlite3.DatabaseError("no such table")
    if version > VERSION:
        raise CannotRun(
            f"{store.path}: has format version {version}; this version of anetc reads {VERSION}"
        )
    store.connection.execute("SELECT number FROM candidates LIMIT 1").fetchone()


def _update(store: Store) -> None:
    """Bring a database of an earlier version to this version."""
    if missing := store._missing_columns():
        with store.commit():
            for name in missing:
                column = f"{name} {_ADDED[name]}"
                store.connection.execute(f"ALTER TABLE candidates ADD COLUMN {column}")
            store.connection.execute(f"PRAGMA user_version = {VERSION}")


def _candidate(row: tuple[Any, ...]) -> Candidate:
    values = dict(zip((*_RECORD_FIELDS, *_DRIVER_FIELDS), row))
    for name in _NUMBERS:
        if not isinstance(values[name], float | int | None):
            raise ValueError(f"{name} is not a number")
    if not isinstance(values["name"], str) or re.search(r"[/\\\0]|^\.*$", values["name"]):
        raise ValueError("the name is not the name of a file")
    own = {name: values.pop(name) for name in _DRIVER_FIELDS}
    values["operations"] = read_operations(json.loads(values["operations"]))
    values["measures"] = tuple((name, value) for name, value in json.loads(values["measures"]))
    return Candidate(Record(**values), **own)
