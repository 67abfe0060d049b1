"""`search.db` made anew from the other files of a run directory."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from anetdsl.diagnostics import CannotRun
from anetdsl.evolve.asked import read_settings
from anetdsl.evolve.jobs import RECORD_SCHEMA
from anetdsl.evolve.lock import locked
from anetdsl.evolve.rundir import RunDir
from anetdsl.evolve.store import EMPTY, Candidate, open_store
from anetdsl.evolve.values import Record
from anetdsl.reading import check_file, network_of

_NAME = re.compile(r"g(\d{4,})")
_NOT_IN_FILE = ("schema", "schema_version", "faults", "short", "bar")


def rebuild(directory: RunDir, identify: Callable[[str], str]) -> tuple[int, list[str]]:
    """Make the database anew: how many candidates it holds, and what could not be taken up.

    A candidate's text comes from `archs`, its fate from `trials`; one without a fate is trained
    when the run is resumed. What stood in place of the database is kept beside it. Raises CannotRun
    where a driver is at work or the settings cannot be read.
    """
    if not directory.path.is_dir():
        raise CannotRun(f"{directory.path}: there is no such folder")
    with locked(directory):
        asked = read_settings(str(directory.settings), EMPTY)
        problems: list[str] = []
        found = list(_candidates(directory, identify, problems))
        _set_aside(directory)
        with open_store(directory, new=True) as store, store.commit():
            store.keep_settings(asked)
            store.event("rebuilt", candidates=len(found))
            times = [c.record.proposed for c in found if c.record.proposed is not None]
            store.set_meta("started", repr(min(times, default=time.time())))
            for candidate in found:
                store.put(candidate)
        return len(found), problems


def _candidates(
    directory: RunDir, identify: Callable[[str], str], problems: list[str]
) -> Iterator[Candidate]:
    """The candidates of the files, without a gap: what comes after a missing one came of it."""
    numbered = {}
    for path in directory.archs.glob("*.anet"):
        if match := _NAME.fullmatch(path.stem):
            numbered[int(match[1])] = path
    for index in range(max(numbered, default=-1) + 1):
        if index not in numbered:
            later = sum(number > index for number in numbered)
            problems.append(
                f"{directory.archs}: candidate {index} is missing; the {later} after it are left "
                "out, and will be proposed again"
            )
            return
        try:
            yield _candidate(directory, numbered[index], index, identify, problems)
        except CannotRun as error:
            problems.append(f"{error}; it and those after it will be proposed again")
            return


def _candidate(
    directory: RunDir,
    path: Path,
    index: int,
    identify: Callable[[str], str],
    problems: list[str],
) -> Candidate:
    checked = check_file(path)
    if checked.network is None:
        raise CannotRun(f"{path}: has errors")
    text = checked.source.text
    origin = network_of(checked).origin
    record = Record(
        index,
        path.stem,
        "proposed",
        text,
        parent=origin.parent if origin else None,
        ops=origin.ops if origin else (),
        proposed=path.stat().st_mtime,
    )
    own: dict[str, Any] = {}
    try:
        record, own = _recorded(directory.record(path.stem), record)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError):
        problems.append(f"{directory.record(path.stem)}: cannot be read; {path.stem} is trained")
    proposal = text
    if record.attempts:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            folder = directory.job(path.stem, record.attempts)
            proposal = (folder / "candidate.anet").read_text(encoding="utf-8")
    if record.status == "proposed" and identify(proposal) == identify(text):
        record = attrs.evolve(record, text=proposal)
    return Candidate(record, proposal, identify(proposal), **own)


def _recorded(path: Path, record: Record) -> tuple[Record, dict[str, Any]]:
    """The record, with what its file says. Raises OSError and ValueError."""
    values = json.loads(path.read_bytes())
    if not isinstance(values, dict) or values.get("schema") != RECORD_SCHEMA:
        raise ValueError("is no record")
    own = {name: values[name] for name in ("faults", "short", "bar")}
    for name in _NOT_IN_FILE:
        values.pop(name)
    if (values["index"], values["name"]) != (record.index, record.name):
        raise ValueError("is the record of another candidate")
    values["ops"] = tuple(values["ops"])
    values["measures"] = tuple((name, value) for name, value in values["measures"])
    if values["status"] not in ("done", "failed"):
        values["status"] = "proposed"
    return Record(text=record.text, **values), own


def _set_aside(directory: RunDir) -> None:
    """Keep what stands in the database's place under another name."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for end in ("", "-wal", "-shm"):
        path = directory.database.with_name(directory.database.name + end)
        if path.exists():
            try:
                path.replace(path.with_name(f"search-{stamp}.db{end}"))
            except OSError as error:
                raise CannotRun(f"{path}: cannot be moved: {error.strerror}") from None
