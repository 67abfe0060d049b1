"""`search.db` made anew from the other files of a run directory."""

from __future__ import annotations

import contextlib
import json
import re
import time
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from anetdsl.api import parse
from anetdsl.checking import check_file, network_of
from anetdsl.errors import AnetError, CannotRun
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.candidate_files import RECORD_SCHEMA
from anetdsl.evolve.drive.lock import locked
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import Candidate, open_store
from anetdsl.evolve.operations import Described, operations_from_json
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.run_settings import read_whole_settings
from anetdsl.evolve.settings.toml import as_kind

_NAME = re.compile(r"g(\d{4,})")
_KINDS = {**typing.get_type_hints(Record), **typing.get_type_hints(Candidate)}


def rebuild(directory: RunDir) -> tuple[int, list[str]]:
    """Make the database anew: how many candidates it holds, and what could not be taken up.

    A candidate's text comes from `archs`, its fate from `trials`; one without a fate is trained
    when the run is resumed. What stood in place of the database is kept beside it, and so are the
    files of candidates that are left out. Raises CannotRun where a driver is at work or the
    settings cannot be read.
    """
    if not directory.path.is_dir():
        raise CannotRun(f"{directory.path}: no such folder")
    with locked(directory):
        asked = read_whole_settings(str(directory.settings))
        problems: list[str] = []
        found = list(_candidates(directory, problems))
        stamp = time.strftime("%Y%m%d-%H%M%S")
        _set_aside(directory, stamp)
        _leave_out(directory, len(found), stamp)
        with open_store(directory, new=True) as store, store.commit():
            store.keep_settings(asked)
            store.event("rebuilt", candidates=len(found))
            times = [c.record.proposed for c in found if c.record.proposed is not None]
            store.set_meta("started", repr(min(times, default=time.time())))
            for candidate in found:
                store.put(candidate)
        return len(found), problems


def _candidates(directory: RunDir, problems: list[str]) -> Iterator[Candidate]:
    """The candidates of the files, without a gap: what comes after a missing one came of it."""
    numbered = _numbered(directory.archs.glob("*.anet"))
    for index in range(max(numbered, default=-1) + 1):
        if index not in numbered:
            later = sum(number > index for number in numbered)
            problems.append(
                f"{directory.archs}: candidate {index} is missing; the {later} after it are left "
                "out, and will be proposed again"
            )
            return
        try:
            yield _candidate(directory, numbered[index], index, problems)
        except CannotRun as error:
            problems.append(f"{error}; it and those after it will be proposed again")
            return
        except AnetError:
            problems.append(
                f"{directory.trial(numbered[index].stem)}: a text in it has errors; the candidate "
                "and those after it will be proposed again"
            )
            return


def _candidate(directory: RunDir, path: Path, index: int, problems: list[str]) -> Candidate:
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
        # Overwritten by the record; a text alone tells the operations in words only.
        operations=tuple(map(Described, origin.ops)) if origin else (),
        proposed=path.stat().st_mtime,
    )
    own: dict[str, Any] = {}
    try:
        record, own = _recorded(directory.record(path.stem), record)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError):
        problems.append(f"{directory.record(path.stem)}: cannot be read; {path.stem} is trained")
    # Starts that its record does not know of have left folders that no other start may use.
    starts = (int(p.name) for p in directory.trial(path.stem).glob("*") if p.name.isdecimal())
    record = attrs.evolve(record, attempts=max(starts, default=record.attempts))
    folder = directory.job(path.stem, record.attempts)
    proposal = _text_of(folder / "candidate.anet") or text
    form = canonical_form(parse(proposal))
    if record.status == "done":
        # What a person has made of it since joins as a candidate of its own (`catch_up`).
        trained = _text_of(folder / "trained.anet") or text
        if canonical_form(parse(trained)) != form:
            problems.append(f"{path}: is not the network that was trained; {path.stem} is trained")
            record, own = attrs.evolve(record, status="proposed", fitness=None), {}
        record = attrs.evolve(record, text=trained)
    if record.status != "done":
        record = attrs.evolve(record, text=proposal)
    return Candidate(record, proposal, form, **own)


def _text_of(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    return None


def _recorded(path: Path, record: Record) -> tuple[Record, dict[str, Any]]:
    """The record, with what its file says. Raises OSError and ValueError."""
    values = json.loads(path.read_bytes())
    if not isinstance(values, dict) or values.get("schema") != RECORD_SCHEMA:
        raise ValueError("is no record")
    del values["schema"], values["schema_version"]
    operations = operations_from_json(values.pop("operations"))
    values = {name: as_kind(value, _KINDS[name]) for name, value in values.items()}
    own = {name: values.pop(name) for name in ("faults", "short", "bar")}
    if (values["index"], values["name"]) != (record.index, record.name):
        raise ValueError("is the record of another candidate")
    if values["status"] not in ("done", "failed"):
        values["status"] = "proposed"
    if (values["status"] == "done") != (values["fitness"] is not None):
        raise ValueError("is done without a fitness, or has one without")
    return Record(text=record.text, operations=operations, **values), own


def _numbered(paths: Iterable[Path]) -> dict[int, Path]:
    """The paths that are named as candidates are, by index."""
    named = ((_NAME.fullmatch(path.stem), path) for path in paths)
    return {int(match[1]): path for match, path in named if match}


def _leave_out(directory: RunDir, count: int, stamp: str) -> None:
    """Move aside the files of candidates from an index on: others will be proposed there."""
    for folder in (directory.archs, directory.trials):
        for index, path in _numbered(folder.glob("g*")).items():
            if index >= count:
                aside = directory.path / f"left-out-{stamp}" / folder.name
                try:
                    aside.mkdir(parents=True, exist_ok=True)
                    path.replace(aside / path.name)
                except OSError as error:
                    raise CannotRun(f"{path}: cannot be moved: {error.strerror}") from None


def _set_aside(directory: RunDir, stamp: str) -> None:
    """Keep what stands in the database's place under another name."""
    for end in ("", "-wal", "-shm"):
        path = directory.database.with_name(directory.database.name + end)
        if path.exists():
            try:
                path.replace(path.with_name(f"search-{stamp}.db{end}"))
            except OSError as error:
                raise CannotRun(f"{path}: cannot be moved: {error.strerror}") from None
