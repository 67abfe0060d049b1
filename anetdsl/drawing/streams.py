"""Find the kinds of input that reach each block. A block's colour in a drawing shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from anetdsl.ir import Network

StreamKind = Literal["rgb", "flow", "mixed", "unused"]
"""Kinds of input that reach a block: one or both. `unused` if no input reaches it, or if the sink
does not need it."""


def stream_kinds(network: Network) -> dict[str, StreamKind]:
    """Return the kind of every input and node. The network may contain errors."""
    readers: dict[str, list[str]] = {}
    for node in network.nodes:
        for edge in node.inputs:
            readers.setdefault(edge.source, []).append(node.name)
    inputs = network.inputs
    from_rgb = _reachable((value.name for value in inputs if value.kind == "rgb"), readers)
    from_flow = _reachable((value.name for value in inputs if value.kind == "flow"), readers)
    needed = network.needed_by_sink()

    def kind(name: str) -> StreamKind:
        match name in from_rgb, name in from_flow:
            case _ if name not in needed:
                return "unused"
            case True, True:
                return "mixed"
            case True, False:
                return "rgb"
            case False, True:
                return "flow"
        return "unused"

    names = [*(value.name for value in inputs), *(node.name for node in network.nodes)]
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
