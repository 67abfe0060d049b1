"""A text read again after edits: what they do not touch is not looked at again.

A search reads thousands of texts that differ from one that it knows in some lists and numbers. A
text that is known is kept in pieces, a statement each with what it says; of a piece in which values
alone change, those alone are read, by the same grammar and the same rules. This way is for texts
without findings: where anything is found, or anything is unusual, it gives None, and `check_source`
tells what there is to tell.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from lark import Token

from anetdsl.ir import Edge, Input, Network, Node, Origin, Score, Sink, default_kind
from anetdsl.rules import run_checks
from anetdsl.rules.attributes import AttributeReader, read_value
from anetdsl.rules.values import Wrong, edge_name, read_weight
from anetdsl.source import NOWHERE, Edit, SourceFile, Span
from anetdsl.syntax.nodes import ListItem, ListValue, Scalar
from anetdsl.syntax.parser import IGNORED, parse_attribute, parse_syntax, tokenize
from anetdsl.vocabulary import (
    DEFAULT_MODULES,
    DEFAULT_WIDTHS,
    KEYWORDS,
    LANGUAGE_VERSION,
    MAX_FILE_BYTES,
    MAX_NODES,
    STATEMENTS,
)

Place = tuple[str, int, int]
"""Where the value of an attribute stands in a piece, or the `name` of its statement."""
_HEAD = "name"
_GAPS = frozenset(["", " ", "\t", "\f", "\n", "\r"])


@attrs.frozen
class Piece:
    """A statement and what follows it, up to the next; before the first, what precedes it too."""

    text: str
    keyword: str
    name: str | None
    values: Mapping[str, Any]
    places: tuple[Place, ...]


@attrs.frozen
class Reading:
    """A text without findings, and what it means."""

    text: str
    network: Network
    """Its parts do not know where they stand in the text."""
    pieces: tuple[Piece, ...]


def read(text: str) -> Reading | None:
    """The reading of a text, or None where there are findings, be they only warnings."""
    return _reading(text, _pieces(text, is_first=True))


def reread(reading: Reading, edits: Iterable[Edit]) -> Reading | None:
    """The reading of a text after edits, which do not overlap; None as of `read`, or to save work.

    Where it is not None, `check_source` of the new text finds nothing, and gives an equal network.
    """
    pieces = _edited(reading, sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)))
    if pieces is None:
        return None
    return _reading("".join([piece.text for piece in pieces]), pieces)


def _reading(text: str, pieces: tuple[Piece, ...] | None) -> Reading | None:
    # Comments may turn findings off; that is for `check_source` to see.
    if pieces is None or len(text) > MAX_FILE_BYTES // 4 or "anetc:" in text:
        return None
    network = _network(pieces)
    if network is None or any(True for _ in run_checks(network)):
        return None
    return Reading(text, network, pieces)


# Pieces


@functools.lru_cache(maxsize=4096)
def _pieces(text: str, *, is_first: bool) -> tuple[Piece, ...] | None:
    """The pieces of a text, or None where anything is wrong with one; none where it is blank."""
    tree = parse_syntax(SourceFile("", text))
    starts = [statement.span.start for statement in tree.statements]
    if not starts and not text.startswith("\ufeff"):
        return None if tree.diagnostics else ()
    if tree.diagnostics or not starts or (starts[0] and not is_first):
        return None
    reader = AttributeReader(frozenset(KEYWORDS), {})
    starts[0] = 0
    found: list[Piece] = []
    for statement, start, end in zip(tree.statements, starts, [*starts[1:], len(text)]):
        head = statement.name or statement.version
        keyword = statement.keyword.text
        values = _meanings(reader.read(statement))
        if values is None or reader.found:
            return None
        spans = [(_HEAD, head.span)] if head is not None else []
        spans.extend((a.name.text, a.value.span) for a in statement.attributes if a.value)
        places = tuple((name, span.start - start, span.end - start) for name, span in spans)
        found.append(Piece(text[start:end], keyword, head.text if head else None, values, places))
    return tuple(found)


def _meanings(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Values of attributes, where those that are edges are read to their end."""
    try:
        return {
            name: _edges(value) if name == "inputs" else value for name, value in values.items()
        }
    except Wrong:
        return None


def _edges(items: Sequence[ListItem]) -> tuple[Edge, ...]:
    """The edges of a list of inputs. Raises Wrong."""
    return tuple(
        Edge(edge_name(item), None if item.weight is None else read_weight(item.weight))
        for item in items
    )


def _edited(reading: Reading, edits: Sequence[Edit]) -> tuple[Piece, ...] | None:
    """The pieces after edits: those that none touches, others with new values, others anew."""
    found: list[Piece] = []
    waiting = iter(edits)
    edit = next(waiting, None)
    index = end = 0
    while index < len(reading.pieces):
        first, start = index, end
        end += len(reading.pieces[index].text)
        index += 1
        inside: list[Edit] = []
        while edit is not None and (edit.span.start < end or index == len(reading.pieces)):
            inside.append(edit)
            while edit.span.end > end and index < len(reading.pieces):
                end += len(reading.pieces[index].text)
                index += 1
            edit = next(waiting, None)
        piece = reading.pieces[first]
        if not inside:
            found.append(piece)
            continue
        local = [_moved(edit, -start) for edit in inside]
        if index == first + 1 and (changed := _changed(piece, local)) is not None:
            known, text = changed
            found.append(known)
        else:
            text = _applied(reading.text[start:end], 0, end - start, local)
        if not text:
            continue
        anew = _pieces(text, is_first=not found)
        if anew is None or not (index == len(reading.pieces) or text[-1] in "\r\n"):
            return None  # or it might run into the next piece
        if not anew and not found:
            return None
        if not anew:
            found[-1] = attrs.evolve(found[-1], text=found[-1].text + text)
        found.extend(anew)
    return tuple(found)


def _changed(piece: Piece, edits: Sequence[Edit]) -> tuple[Piece, str] | None:
    """A piece with new values, and the text behind it where lines are inserted there."""
    *others, last = edits
    place, text = last.span.start, ""
    behind = place == last.span.end and place >= max((end for _, _, end in piece.places), default=0)
    if behind and last.text[:1] in ("\n", "\r"):
        line_end = "\r\n" if last.text.startswith("\r\n") else last.text[0]
        text = last.text.removeprefix(line_end) + piece.text[place:]
        piece = attrs.evolve(piece, text=piece.text[:place] + line_end)
        edits = others
    new = _with_values(piece, edits) if edits else piece
    return None if new is None else (new, text)


def _moved(edit: Edit, by: int) -> Edit:
    return Edit(Span(edit.span.start + by, edit.span.end + by), edit.text)


def _applied(text: str, start: int, end: int, edits: Iterable[Edit]) -> str:
    """The text between two places, after edits to it."""
    parts: list[str] = []
    for edit in edits:
        parts += text[start : edit.span.start], edit.text
        start = edit.span.end
    return "".join([*parts, text[start:end]])


# Values


def _with_values(piece: Piece, edits: Sequence[Edit]) -> Piece | None:
    """A piece in which edits, placed within it, change values, its name, and spaces alone."""
    own: dict[int, list[Edit]] = {}
    spaces: list[Edit] = []
    for edit in edits:
        index = _owner(piece.places, edit)
        if index is not None:
            own.setdefault(index, []).append(edit)
        elif _widens(piece.text, edit):
            spaces.append(edit)
        else:
            return None
    values: dict[str, Any] = dict(piece.values)
    places: list[Place] = []
    name, growth = piece.name, 0
    for index, (what, start, end) in enumerate(piece.places):
        while spaces and spaces[0].span.end <= start:
            growth += len(spaces[0].text) - len(_removed(piece.text, spaces.pop(0)))
        new_start, new_end = start + growth, end + growth
        if index in own:
            new = _applied(piece.text, start, end, own[index])
            if what != _HEAD:
                values[what] = value = _value(piece.keyword, what, new)
                if value is None:
                    return None
            elif piece.keyword != "anet" and _is_name(new):
                name = new
            else:
                return None
            new_end = new_start + len(new)
            growth = new_end - end
        places.append((what, new_start, new_end))
    text = _applied(piece.text, 0, len(piece.text), edits)
    # Nothing runs into what follows it, nor a name into its keyword.
    if any(text[end : end + 1] not in _GAPS for _, _, end in places):
        return None
    if name is not None and text[places[0][1] - 1] not in _GAPS:
        return None
    return Piece(text, piece.keyword, name, values, tuple(places))


def _owner(places: Sequence[Place], edit: Edit) -> int | None:
    """Which place an edit changes; spaces at its ends change none."""
    start, end = edit.span.start, edit.span.end
    for index, (_, first, last) in enumerate(places):
        if first <= start and end <= last:
            at_end = start == end and start in (first, last)
            return None if at_end and not edit.text.strip(" ") else index
    return None


def _widens(text: str, edit: Edit) -> bool:
    """Whether an edit adds spaces to others, or takes some of several away, of which one stays."""
    start, end = edit.span.start, edit.span.end
    if edit.text.strip(" ") or _removed(text, edit).strip(" "):
        return False
    if start == end:
        return " " in text[max(0, start - 1) : start + 1]
    # A space before it stays, whatever other edits do: they would have to be at its place.
    return start > 0 and text[start - 1] == " " and text[end : end + 1] not in _GAPS


def _removed(text: str, edit: Edit) -> str:
    return text[edit.span.start : edit.span.end]


@functools.lru_cache(maxsize=16384)
def _value(keyword: str, name: str, text: str) -> Any:
    """What an attribute's value means, or None where it is none, or not alone."""
    tokens = tokenize(f"{name}={text}")
    if len(tokens) < 3 or {tokens[2].type, tokens[-1].type} & IGNORED:
        return None
    significant = [token for token in tokens if token.type not in IGNORED]
    try:
        if name == "inputs":
            return _listed_edges(significant)
        attribute = STATEMENTS[keyword].attribute(name)
        node = parse_attribute(significant)
        if attribute is None or node is None or node.value is None:
            return None
        return read_value(node.value, attribute)
    except Wrong:
        return None


def _listed_edges(tokens: Sequence[Token]) -> tuple[Edge, ...] | None:
    """The edges of an attribute's list, or None where it is none. Raises Wrong."""
    places = _edge_places(tuple([token.type for token in tokens]))
    if places is None:
        return None
    return tuple(
        [
            Edge(str(tokens[name]), None if weight is None else _weight(tokens[weight]))
            for name, weight in places
        ]
    )


@functools.lru_cache(maxsize=1024)
def _edge_places(kinds: tuple[str, ...]) -> tuple[tuple[int, int | None], ...] | None:
    """Which of tokens of these types are the names and weights of edges; None where it is no list.

    How tokens are parsed depends on their types alone; lists differ in little but their lengths.
    """
    tokens = [Token(kind, kind, index, end_pos=index + 1) for index, kind in enumerate(kinds)]
    node = parse_attribute(tokens)
    if node is None or not isinstance(node.value, ListValue) or not node.value.items:
        return None
    if any(item.value.kind != "name" for item in node.value.items):
        return None
    return tuple(
        (item.value.span.start, None if item.weight is None else item.weight.span.start)
        for item in node.value.items
    )


def _weight(token: Token) -> float:
    return read_weight(Scalar("number", str(token), NOWHERE))


@functools.lru_cache(maxsize=1024)
def _is_name(text: str) -> bool:
    return [token.type for token in tokenize(text)] == ["NAME"]


# Networks


def _network(pieces: Sequence[Piece]) -> Network | None:
    """The network that pieces make, or None where one is missing, or names what is not there."""
    single = {piece.keyword: piece for piece in pieces if not STATEMENTS[piece.keyword].many}
    inputs = [_input(piece) for piece in pieces if piece.keyword == "input"]
    nodes = [_node(piece) for piece in pieces if piece.keyword == "node"]
    given = {value.name for value in inputs}
    names = {node.name for node in nodes}
    is_sound = (
        len(single) + len(inputs) + len(nodes) == len(pieces)
        and pieces[0].keyword == "anet"
        and pieces[0].name == str(LANGUAGE_VERSION)
        and {"network", "sink"} <= single.keys()
        and len(given) + len(names) == len(given | names) == len(inputs) + len(nodes)
        and len(inputs) > 0
        and 0 < len(nodes) <= MAX_NODES
    )
    if not is_sound:
        return None
    head, sink = single["network"], single["sink"]
    top: tuple[Edge, ...] = sink.values["inputs"]
    if not all(_reads(node.inputs, given if node.is_stem else names) for node in nodes):
        return None
    unweighted = [edge for node in nodes if node.is_stem for edge in node.inputs]
    if not _reads(top, names) or any(edge.weight is not None for edge in (*unweighted, *top)):
        return None
    origin, score = single.get("origin"), single.get("score")
    return Network(
        head.name or "",
        tuple(inputs),
        tuple(nodes),
        Sink(
            top,
            sink.values["classes"],
            sink.values.get("combine", "mean"),
            sink.values.get("head", "mean"),
        ),
        widths=head.values.get("D", DEFAULT_WIDTHS),
        modules=head.values.get("modules", DEFAULT_MODULES),
        edges=head.values.get("edges", "learned"),
        origin=Origin(**origin.values) if origin is not None else None,
        score=Score(tuple(score.values.items())) if score is not None else None,
    )


def _reads(edges: Iterable[Edge], names: set[str]) -> bool:
    return all(edge.source in names for edge in edges)


def _input(piece: Piece) -> Input:
    channels = piece.values["channels"]
    kind = piece.values.get("kind", default_kind(channels))
    return Input(piece.name or "", channels, kind)


def _node(piece: Piece) -> Node:
    values = piece.values
    return Node(
        piece.name or "",
        values["level"],
        values["C"],
        values["r"],
        values["stride"],
        values["inputs"],
    )
