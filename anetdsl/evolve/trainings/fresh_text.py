"""The text of a network before its training."""

from __future__ import annotations

from collections.abc import Sequence

from anetdsl.api import parse
from anetdsl.evolve.propose.child_text import untrained
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import (
    apply,
    find,
    set_attribute,
    set_edges,
    set_network_name,
    set_peers,
    set_score,
)


def fresh_text(
    text: str,
    *,
    source: str = "<network>",
    name: str | None = None,
    classes: int | None = None,
    modules: Sequence[int] | None = None,
) -> str:
    """Return a network's text without learned edge weights and peers, and without a score.

    Comments, `origin` and fixed edge weights stay.

    Args:
        text: Text of the network, trained or not.
        source: Name of the text in messages.
        name: Name of the network in the new text; None keeps the old one.
        classes: Number of classes; None keeps the old one.
        modules: Numbers of residual modules per block at levels 1 to 4; None keeps the old ones.

    Raises:
        AnetError: The text has errors.
    """
    network = parse(text, source)
    tree = parse_syntax(SourceFile(source, text))
    edits: list[Edit] = list(set_score(tree, None))
    for old, new in zip(network.nodes, untrained(network).nodes, strict=True):
        if new.inputs != old.inputs:
            edits.extend(set_edges(tree, find(tree, "node", old.name), new.inputs))
        if new.peers != old.peers:
            edits.extend(set_peers(tree, find(tree, "node", old.name), new.peers))
    text = apply(text, edits)
    if name is not None:
        tree = parse_syntax(SourceFile(source, text))
        text = apply(text, set_network_name(tree, name))
    if classes is not None and classes != network.sink.classes:
        text = _changed(source, text, "sink", "classes", str(classes))
    if modules is not None and tuple(modules) != network.modules:
        text = _changed(source, text, "network", "modules", [str(count) for count in modules])
    parse(text, source)
    return text


def _changed(
    source: str, text: str, keyword: str, attribute: str, value: str | Sequence[str]
) -> str:
    tree = parse_syntax(SourceFile(source, text))
    return apply(text, set_attribute(tree, find(tree, keyword), attribute, value))
