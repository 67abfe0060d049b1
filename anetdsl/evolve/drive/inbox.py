"""Add networks that people put into the inbox of a run.

A file of the inbox becomes the next candidate: it gets the candidate's name and an `origin` that
names the file, and the file is moved to `inbox/accepted`. A file that is rejected stays in the
inbox with the reason in a text file beside it. It is examined again once it has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from anetdsl.checking import check_file
from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Proposal, Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.second_looks import with_name_and_origin
from anetdsl.evolve.drive.store import Store
from anetdsl.evolve.operations import AddedByHand
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.limits import beyond_limits
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.files import write_atomically
from anetdsl.ir import Network, Origin
from anetdsl.rendering.findings import render_text

_LONGEST = 200
"""Bytes of a file's name that are kept; file systems allow 255."""


class Rejected(Exception):
    """A file of the inbox that cannot become a candidate; the text is the reason."""


def pending_files(directory: RunDir) -> list[Path]:
    """Return the files of the inbox that are to be examined, sorted by name."""
    try:
        files = sorted(directory.inbox.glob("*.anet"))
    except OSError:
        return []
    return [path for path in files if path.is_file() and not _is_rejected(path)]


def examine(path: Path, settings: SearchSettings, index: int, store: Store) -> Proposal | Record:
    """Return the proposal of a file for the candidate `index`.

    Return the record of a candidate instead if the file became that candidate already: the driver
    was killed before it moved the file. Raise Rejected if the file cannot become a candidate.
    """
    try:
        checked = check_file(path, search=True)
    except CannotRun as error:
        raise Rejected(str(error)) from None
    if checked.network is None or checked.errors:
        raise Rejected(render_text(checked.source, checked.errors))
    network = checked.network
    if network.sink.classes != settings.space.classes:
        raise Rejected(
            f"the candidates of this search have {settings.space.classes} classes; "
            f"this network has {network.sink.classes}"
        )
    if beyond := beyond_limits(network, settings.limits):
        what, value, limit = beyond
        raise Rejected(f"it has {value:,} {what}; the search allows {limit:,}")
    form = canonical_form(network)
    if same := store.find("identity = ?", form):
        if same.record.source == display_name(path):
            return same.record
        raise Rejected(f"it is the same network as {same.name}")
    name = f"g{index:04d}"
    parent = network.name if _is_changed_candidate(network, settings.seed, store) else None
    operation = AddedByHand(display_name(path))
    origin = Origin(parent=parent, candidate=index, seed=settings.seed, ops=(operation.sentence,))
    text = with_name_and_origin(checked.source.text, name, origin)
    return Proposal(index, name, text, parent, (operation,), form)


def reject(path: Path, reason: str) -> None:
    """Write the reason beside a file. An error while writing does not stop the search."""
    with contextlib.suppress(CannotRun):
        text = f"{display_name(path)} cannot be added to the search:\n\n{reason.strip()}\n"
        write_atomically(_reason_file(path), text)


def move_accepted(directory: RunDir, path: Path, name: str) -> None:
    """Move the file of a candidate out of the inbox."""
    with contextlib.suppress(OSError):
        _reason_file(path).unlink(missing_ok=True)
        directory.accepted.mkdir(exist_ok=True)
        path.replace(directory.accepted / f"{name}-{_shortened(path.stem)}.anet")


def display_name(path: Path) -> str:
    """Return a file's name as text; bytes that are not UTF-8 are written as `\\xe9`."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def _is_rejected(path: Path) -> bool:
    """Return whether the file was rejected and has not been changed or replaced since."""
    try:
        return _reason_file(path).stat().st_mtime_ns >= path.stat().st_ctime_ns
    except OSError:
        return False


def _reason_file(path: Path) -> Path:
    return path.with_name(f"{_shortened(path.stem)}.anet.txt")


def _shortened(stem: str) -> str:
    """Return the name, shortened if prefix and suffix would make it too long for a file system."""
    data = os.fsencode(stem)
    if len(data) <= _LONGEST:
        return stem
    mark = hashlib.sha256(data).hexdigest()[:8]
    return f"{os.fsdecode(data[:_LONGEST])}-{mark}"


def _is_changed_candidate(network: Network, seed: int, store: Store) -> bool:
    """Return whether a network is a candidate of this search that a person has changed.

    A candidate of another search may have the same name, but its `origin` differs.
    """
    candidate = store.find("name = ?", network.name)
    if candidate is None:
        return False
    record, origin = candidate.record, network.origin or Origin()
    found = (origin.parent, origin.candidate, origin.seed, origin.ops)
    return found == (record.parent, record.index, seed, record.ops)
