"""Rebuild `search.db` from the other files of a run directory."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from anetdsl.api import parse
from anetdsl.checking import check_file, network_of
from anetdsl.errors import AnetError, CannotRun
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.candidate_files import read_record
from anetdsl.evolve.drive.lock import locked
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import Candidate, open_store
from anetdsl.evolve.operations import Described
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.run_settings import read_whole_settings

_NAME = re.compile(r"g(\d{4,})")


def rebuild(directory: RunDir) -> tuple[int, list[str]]:
    """Rebuild the database; return the number of its candidates and a list of problems.

    A candidate's text comes from `archs`, its result from `trials`. A candidate without a result
    is trained when the run is resumed. The old database, and the files of candidates that are not
    in the new one, are moved aside. Raise CannotRun if a driver works in the run directory or the
    settings cannot be read.
    """
    if not directory.path.is_dir():
        raise CannotRun(f"{directory.path}: no such folder")
    with locked(directory):
        settings = read_whole_settings(str(directory.settings))
        problems: list[str] = []
        candidates = list(_candidates(directory, problems))
        stamp = time.strftime("%Y%m%d-%H%M%S")
        _move_database_aside(directory, stamp)
        _move_files_aside(directory, len(candidates), stamp)
        with open_store(directory, new=True) as store, store.commit():
            store.set_settings(settings)
            store.add_event("rebuilt", candidates=len(candidates))
            times = [c.record.proposed for c in candidates if c.record.proposed is not None]
            store.set_meta("started", repr(min(times, default=time.time())))
            for candidate in candidates:
                store.put(candidate)
        return len(candidates), problems


def _candidates(directory: RunDir, problems: list[str]) -> Iterator[Candidate]:
    """Yield the candidates of the files by index, up to the first that is missing or unreadable.

    Candidates after a missing one depend on its result, so the search must propose them again.
    """
    numbered = _numbered(directory.archs.glob("*.anet"))
    first: dict[str, str] = {}
    for index in range(max(numbered, default=-1) + 1):
        if index not in numbered:
            later = sum(number > index for number in numbered)
            problems.append(
                f"{directory.archs}: candidate {index} is missing; the {later} candidates after it "
                "are left out and will be proposed again"
            )
            return
        try:
            candidate = _candidate(directory, numbered[index], index, problems)
            original = first.setdefault(candidate.canonical_form, candidate.name)
            if original != candidate.name:
                # Only a second look has the network of an earlier candidate.
                record = attrs.evolve(candidate.record, confirms=original)
                candidate = attrs.evolve(candidate, record=record)
            yield candidate
        except CannotRun as error:
            problems.append(f"{error}; this candidate and those after it will be proposed again")
            return
        except AnetError:
            folder = directory.candidate_folder(numbered[index].stem)
            problems.append(
                f"{folder}: a text in this folder has errors; this candidate and those after it "
                "will be proposed again"
            )
            return


def _candidate(directory: RunDir, path: Path, index: int, problems: list[str]) -> Candidate:
    """Return the candidate of a text file, with its record and the result of its last trial."""
    name = path.stem
    checked = check_file(path)
    if checked.network is None:
        raise CannotRun(f"{path}: the text has errors")
    text = checked.source.text
    origin = network_of(checked).origin
    record = Record(
        index,
        name,
        "proposed",
        text,
        parent=origin.parent if origin else None,
        # A text has the operations as sentences only; the record has them as values.
        operations=tuple(map(Described, origin.ops)) if origin else (),
        proposed=path.stat().st_mtime,
    )
    own: dict[str, Any] = {}
    try:
        record, own = read_record(directory.record(name), record)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError):
        problems.append(f"{directory.record(name)}: cannot be read; {name} will be trained again")
    # The folder of a start that the record does not count must not be used by another start.
    folders = directory.candidate_folder(name).glob("*")
    starts = (int(folder.name) for folder in folders if folder.name.isdecimal())
    record = attrs.evolve(record, attempts=max(starts, default=record.attempts))
    folder = directory.trial_folder(name, record.attempts)
    proposal = _text_of(folder.candidate) or text
    form = canonical_form(parse(proposal))
    if record.status == "done":
        # A text that a person has changed since becomes another candidate (`catch_up`).
        trained = _text_of(folder.trained) or text
        if canonical_form(parse(trained)) != form:
            problems.append(
                f"{path}: not the network that was trained; {name} will be trained again"
            )
            record, own = attrs.evolve(record, status="proposed", fitness=None), {}
        record = attrs.evolve(record, text=trained)
    if record.status != "done":
        record = attrs.evolve(record, text=proposal)
    return Candidate(record, proposal, form, **own)


def _text_of(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    return None


def _numbered(paths: Iterable[Path]) -> dict[int, Path]:
    """Return the paths that have the name of a candidate, by the candidate's index."""
    named = ((_NAME.fullmatch(path.stem), path) for path in paths)
    return {int(match[1]): path for match, path in named if match}


def _move_files_aside(directory: RunDir, count: int, stamp: str) -> None:
    """Move the files of the candidates from index `count` on to `left-out-STAMP`."""
    for folder in (directory.archs, directory.trials):
        for index, path in _numbered(folder.glob("g*")).items():
            if index >= count:
                aside = directory.path / f"left-out-{stamp}" / folder.name
                try:
                    aside.mkdir(parents=True, exist_ok=True)
                    path.replace(aside / path.name)
                except OSError as error:
                    raise CannotRun(f"{path}: cannot be moved: {error.strerror}") from None


def _move_database_aside(directory: RunDir, stamp: str) -> None:
    """Rename the files of the old database to `search-STAMP.db`."""
    for end in ("", "-wal", "-shm"):
        path = directory.database.with_name(directory.database.name + end)
        if path.exists():
            try:
                path.replace(path.with_name(f"search-{stamp}.db{end}"))
            except OSError as error:
                raise CannotRun(f"{path}: cannot be moved: {error.strerror}") from None
