"""Find the kinds of input that reach each block. A block's colour in a drawing shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from anetdsl.ir import Kind, Network

StreamKind = Literal["rgb", "flow", "object", "mixed", "unused"]
"""Kinds of input that reach a block: one or several. `unused` if no input reaches it, or if
the sink does not need it."""


def stream_kinds(network: Network) -> dict[str, StreamKind]:
    """Return the kind of every input and node. The network may contain errors."""
    readers: dict[str, list[str]] = {}
    for node in network.nodes:
        for edge in node.inputs:
            readers.setdefault(edge.source, []).append(node.name)
    reached: dict[Kind, set[str]] = {}
    for value in network.inputs:
        reached.setdefault(value.kind, set()).update(_reachable([value.name], readers))
    needed = network.needed_by_sink()

    def kind(name: str) -> StreamKind:
        kinds = [kind for kind, names in reached.items() if name in names]
        if name not in needed or not kinds:
            return "unused"
        return kinds[0] if len(kinds) == 1 else "mixed"

    names = [*(value.name for value in network.inputs), *(node.name for node in network.nodes)]
    return {name: kind(name) for name in names}


def _reachable(start: Iterable[str], following: Mapping[str, Iterable[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(following.get(name, ()))
    return seen
