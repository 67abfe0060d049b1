"""Networks that people add to a running search, by putting a file into its inbox.

A file joins as the next candidate: under the candidate's name, with an `origin` that says where it
came from; what was put in is moved to `inbox/joined`. One that cannot join stays where it is, with
a text beside it that says why, and is looked at again once it has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from anetdsl.checking import check_file
from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Proposal, Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.operations import AddedByHand
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.limits import beyond_limits
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.files import write_atomically
from anetdsl.ir import Network, Origin
from anetdsl.rendering.findings import render_text
from anetdsl.source import SourceFile
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import Edit, apply, set_network_name, set_origin, set_score

_LONGEST = 200
"""Bytes of a file's name that are kept; file systems have 255."""


def arrivals(directory: RunDir) -> list[Path]:
    """The files that may join now, in the order of their names."""
    try:
        files = sorted(directory.inbox.glob("*.anet"))
    except OSError:
        return []
    return [path for path in files if path.is_file() and not _is_refused(path)]


def examine(
    path: Path,
    search: SearchSettings,
    index: int,
    known: Callable[[str], Record | None],
    named: Callable[[str], Record | None],
) -> Proposal | Record | str:
    """The proposal that a file is, the candidate that it has become, or why it cannot join.

    `known` finds the candidate of an identity, and `named` that of a name.
    """
    try:
        checked = check_file(path, search=True)
    except CannotRun as error:
        return str(error)
    if checked.network is None or checked.errors:
        return render_text(checked.source, checked.errors)
    network = checked.network
    if network.sink.classes != search.space.classes:
        return (
            f"the search is about {search.space.classes} classes; "
            f"this network has {network.sink.classes}"
        )
    if beyond := beyond_limits(network, search.limits):
        what, value, limit = beyond
        return f"it has {value:,} {what}; the search allows {limit:,}"
    text = checked.source.text
    form = canonical_form(network)
    if same := known(form):
        # It joined, and the driver was killed before the file was moved away.
        return same if same.source == shown(path) else f"it is the same network as {same.name}"
    name = f"g{index:04d}"
    parent = network.name if _stems_from(network, named(network.name), search.seed) else None
    operation = AddedByHand(shown(path))
    origin = Origin(parent=parent, round=index, seed=search.seed, ops=(operation.sentence,))
    text = _edited(text, name, origin)
    return Proposal(index, name, text, parent, (operation,), form)


def refuse(path: Path, message: str) -> None:
    """Say beside a file why it cannot join. Where that cannot be written, the search goes on."""
    with contextlib.suppress(CannotRun):
        text = f"{shown(path)} cannot join the search:\n\n{message.strip()}\n"
        write_atomically(_reason(path), text)


def move_away(directory: RunDir, path: Path, name: str) -> None:
    """Put a file that has joined where it is not looked for."""
    folder = directory.inbox / "joined"
    with contextlib.suppress(OSError):
        _reason(path).unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)
        path.replace(folder / f"{name}-{_short(path.stem)}.anet")


def shown(path: Path) -> str:
    """A file's name as text, whatever bytes it is."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def _is_refused(path: Path) -> bool:
    """Whether the file was looked at since it was last changed, or put in this place."""
    try:
        return _reason(path).stat().st_mtime_ns >= path.stat().st_ctime_ns
    except OSError:
        return False


def _reason(path: Path) -> Path:
    return path.with_name(f"{_short(path.stem)}.anet.txt")


def _short(stem: str) -> str:
    """A name that leaves room for what is put before and behind it."""
    data = os.fsencode(stem)
    if len(data) <= _LONGEST:
        return stem
    mark = hashlib.sha256(data).hexdigest()[:8]
    return f"{os.fsdecode(data[:_LONGEST])}-{mark}"


def _stems_from(network: Network, candidate: Record | None, seed: int) -> bool:
    """Whether a network is a candidate's, changed: not one of another search, of the same name."""
    if candidate is None:
        return False
    origin = network.origin or Origin()
    found = (origin.parent, origin.round, origin.seed, origin.ops)
    return found == (candidate.parent, candidate.index, seed, candidate.ops)


def _edited(text: str, name: str, origin: Origin) -> str:
    """The text under the candidate's name, with its origin, and without a score of another's."""
    changes: tuple[Callable[[SyntaxTree], tuple[Edit, ...]], ...] = (
        lambda tree: set_network_name(tree, name),
        lambda tree: set_origin(tree, origin),
        lambda tree: set_score(tree, None),
    )
    for change in changes:
        text = apply(text, change(parse_syntax(SourceFile(name, text))))
    return text
