"""Operations of the search as values: how a candidate was made.

The sentences in `origin ops=[...]` are derived from these values, for readers. No code reads a
sentence back. A run's database, `record.json` and `job.json` hold the operations as JSON.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import attrs

from anetdsl.settings_reader import as_kind

Pair = tuple[str, str]
"""An edge between two nodes, by name: the node that is read, and the node that reads it."""


@attrs.frozen
class DrawnAtRandom:
    """The whole network was drawn at random."""

    kind: ClassVar[str] = "drawn"

    @property
    def sentence(self) -> str:
        """The operation in words."""
        return "drawn at random"


@attrs.frozen
class TrainedAgain:
    """The network of another candidate was trained once more, with another seed."""

    kind: ClassVar[str] = "again"
    name: str
    """Name of the other candidate."""

    @property
    def sentence(self) -> str:
        """The operation in words."""
        return f"second training of {self.name}"


@attrs.frozen
class Rewire:
    """Edges of the parent were kept or dropped, and new edges were added."""

    kind: ClassVar[str] = "rewire"
    kept: int
    """Number of the parent's edges that stay."""
    dropped: tuple[Pair, ...]
    added: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """The operation in words."""
        parts = [f"kept {self.kept}"]
        if self.dropped:
            parts.append(f"dropped {_arrows(self.dropped)}")
        if self.added:
            parts.append(f"added {_arrows(self.added)}")
        return f"edges: {', '.join(parts)}"


@attrs.frozen
class Split:
    """A node was split into two nodes of half its C."""

    kind: ClassVar[str] = "split"
    node: str
    halves: Pair
    """Names of the nodes with the first and with the second half of the filters."""

    @property
    def sentence(self) -> str:
        """The operation in words."""
        return f"split {self.node} -> {' '.join(self.halves)}"


@attrs.frozen
class Merge:
    """Two nodes were merged into one, which has the filters of both."""

    kind: ClassVar[str] = "merge"
    nodes: Pair
    into: str
    """Name of the merged node."""

    @property
    def sentence(self) -> str:
        """The operation in words."""
        return f"merge {' '.join(self.nodes)} -> {self.into}"


@attrs.frozen
class ChangeResolution:
    """The temporal resolution r of a node was changed."""

    kind: ClassVar[str] = "resolution"
    node: str
    before: int
    after: int

    @property
    def sentence(self) -> str:
        """The operation in words."""
        return f"r {self.node}: {self.before} -> {self.after}"


@attrs.frozen
class Repair:
    """Edges were added for nodes that had no input or no reader."""

    kind: ClassVar[str] = "repair"
    added: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """The operation in words."""
        return f"repair: added {_arrows(self.added)}"


@attrs.frozen
class AddedByHand:
    """A person put the network into the inbox of the run."""

    kind: ClassVar[str] = "added"
    file: str
    """Name of the file in the inbox."""

    @property
    def sentence(self) -> str:
        """The operation in words."""
        return f"added by hand: {self.file}"


@attrs.frozen
class Described:
    """An operation of which only the sentence is known, such as one read from a text's `origin`."""

    kind: ClassVar[str] = "described"
    sentence: str


Operation = (
    DrawnAtRandom
    | TrainedAgain
    | Rewire
    | Split
    | Merge
    | ChangeResolution
    | Repair
    | AddedByHand
    | Described
)

_CLASSES: dict[str, type[Any]] = {cls.kind: cls for cls in typing.get_args(Operation)}


def sentences(operations: Iterable[Operation]) -> tuple[str, ...]:
    """Return the sentences of operations, for `origin ops=[...]`."""
    return tuple(operation.sentence for operation in operations)


def are_known(operations: Sequence[Operation]) -> bool:
    """Return whether the operations say completely how the network came from its parent."""
    return bool(operations) and not any(
        isinstance(operation, AddedByHand | Described) for operation in operations
    )


def operations_to_json(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    """Return operations as JSON values: {"operation": "split", "node": ..., "halves": [...]}."""
    return [{"operation": item.kind, **attrs.asdict(item)} for item in operations]


def operations_from_json(values: object) -> tuple[Operation, ...]:
    """Return the operations of JSON values. Raise ValueError if the values are not operations."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ValueError("must be a list")
    return tuple(map(_from_json, values))


def _from_json(value: object) -> Operation:
    kind = value.get("operation") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str) or kind not in _CLASSES:
        raise ValueError(f"not an operation: {str(value)[:60]}")
    cls = _CLASSES[kind]
    kinds = _field_types(kind)
    names = [field.name for field in attrs.fields(cls)]
    if value.keys() != {"operation", *names}:
        raise ValueError(f"a `{cls.kind}` operation has the keys {', '.join(names)}")
    operation: Operation = cls(**{name: as_kind(value[name], kinds[name]) for name in names})
    return operation


@functools.cache
def _field_types(kind: str) -> dict[str, Any]:
    """Return the types of the fields of an operation. A run has thousands of operations."""
    return typing.get_type_hints(_CLASSES[kind])


def _arrows(pairs: Iterable[Pair]) -> str:
    """Return edges as a sentence names them: `s0->n6 n5->n10`."""
    return " ".join(f"{source}->{reader}" for source, reader in pairs)
