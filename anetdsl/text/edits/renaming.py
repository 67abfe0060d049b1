"""Rename inputs, nodes and the network."""

from __future__ import annotations

import re

from anetdsl.source import Edit
from anetdsl.syntax.nodes import ListValue, SyntaxTree, Word
from anetdsl.text.edits.attribute_edits import keep_column
from anetdsl.vocabulary import KEYWORDS, STATEMENTS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def rename(tree: SyntaxTree, old: str, new: str) -> tuple[Edit, ...]:
    """Return edits that rename a node or an input where it is defined, read, or a peer.

    Comments and `origin` are not changed. Raises KeyError if there is no node or input `old`, and
    ValueError if `new` is not a valid name or is already used.
    """
    definitions = _definitions(tree)
    if old not in definitions:
        raise KeyError(old)
    if new == old:
        return ()
    _check_name(new)
    if new in definitions:
        raise ValueError(f"`{new}` is already used")
    edits: list[Edit] = []
    for word in definitions[old]:
        edits.append(Edit(word.span, new))
        edits.extend(keep_column(tree, word.span.end, len(new) - len(old)))
    for statement in tree.statements:
        for attribute in statement.attributes:
            known = STATEMENTS[statement.keyword.text].attribute(attribute.name.text)
            has_names = known is not None and known.type == "edges"
            if has_names and isinstance(attribute.value, ListValue):
                values = (item.value for item in attribute.value.items)
                edits.extend(Edit(value.span, new) for value in values if value.text == old)
    return tuple(edits)


def set_network_name(tree: SyntaxTree, name: str) -> tuple[Edit, ...]:
    """Return edits that rename the network.

    Raises KeyError if the text has no named network, and ValueError if `name` is not a valid name.
    """
    _check_name(name)
    for statement in tree.statements:
        if statement.keyword.text == "network" and statement.name is not None:
            return (Edit(statement.name.span, name),) if statement.name.text != name else ()
    raise KeyError("network")


def _definitions(tree: SyntaxTree) -> dict[str, list[Word]]:
    """Return the places where each name of a node or an input is defined."""
    words: dict[str, list[Word]] = {}
    for statement in tree.statements:
        if statement.keyword.text in ("node", "input") and statement.name is not None:
            words.setdefault(statement.name.text, []).append(statement.name)
    return words


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name in KEYWORDS:
        raise ValueError(f"`{name}` is not a valid name")
