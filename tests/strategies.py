"""Random networks, texts and broken texts for property tests."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from hypothesis import strategies as st

from anetdsl.ir import Edge, Input, Network, Node, Origin, Score, Sink
from anetdsl.source import SourceFile
from anetdsl.syntax.nodes import AttributeNode, ListValue, StatementNode
from anetdsl.syntax.parser import parse_syntax, tokenize
from anetdsl.vocabulary import KEYWORDS, STATEMENTS

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.anet"))

# Words with a meaning elsewhere: attributes, choices, similar to keywords, words of other programs.
AWKWARD_NAMES = [
    *["_", "__", "C", "r", "D", "level", "inputs", "stride", "modules", "edges", "fixed", "mean"],
    *[
        "Input",
        "NODE",
        "nodes",
        "node1",
        "sinks",
        "anet_",
        "anet1",
        "e5",
        "E1",
        "x0",
        "none",
        "nan",
    ],
    *["graph", "subgraph", "label", "N", "train", "keys", "a_name_wider_than_any_column_may_be"],
    *["object", "peer", "peers", "self", "attention", "blocks", "lite"],
]

names = (
    st.sampled_from(AWKWARD_NAMES) | st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)
).filter(lambda name: name not in KEYWORDS)
weights = st.floats(0, 1, exclude_min=True, exclude_max=True)
shares = st.floats(0, 1, exclude_min=True)
strings = st.text(max_size=12) | st.sampled_from(['"', "\\", "\\n", "# no comment", "a@0.5", "]"])
newlines = st.sampled_from(["\n", "\r\n", "\r"])
comments = st.text(st.characters(exclude_characters="\r\n"), max_size=8).map("#".__add__)
_numbers = st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False)

origins = st.builds(
    Origin,
    parent=st.none() | strings,
    candidate=st.none() | st.integers(0, 10**9),
    seed=st.none() | st.integers(0, 2**64 - 2048),
    ops=st.lists(strings, max_size=4).map(tuple),
)
scores = st.dictionaries(
    st.sampled_from([a.name for a in STATEMENTS["score"].attributes]), _numbers
).map(lambda values: Score(tuple(values.items())))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Draw a network without errors. It may have warnings."""
    unused = iter(draw(st.lists(names, min_size=17, max_size=17, unique=True)))
    channels = st.sampled_from([1, 2, 3, 1024])
    kinds: Any = st.sampled_from(["rgb", "flow", "object"])
    inputs = [
        Input(next(unused), draw(channels), draw(kinds)) for _ in range(draw(st.integers(1, 3)))
    ]
    blocks: Any = draw(st.sampled_from(["full", "full", "lite"]))
    numbers = st.sampled_from([1, 3, 8, 64, 129, 8192])
    filters = st.tuples(*[numbers] * 3) if blocks == "lite" else numbers
    dilations = st.sampled_from([1, 2, 7, 256])
    nodes: list[Node] = []
    for _ in range(draw(st.integers(1, 3))):
        value = draw(st.sampled_from(inputs))
        edge = (Edge(value.name),)
        if value.kind == "object":
            nodes.append(Node(next(unused), 0, None, draw(st.none() | dilations), 4, edge))
        else:
            stride = 2 if blocks == "lite" else 4
            nodes.append(Node(next(unused), 0, draw(numbers), draw(dilations), stride, edge))
    for level in sorted(draw(st.lists(st.integers(1, 4), max_size=8))):
        lower = [node.name for node in nodes if node.level < level]
        nodes.append(
            Node(
                next(unused),
                level,
                draw(filters),
                draw(dilations),
                draw(st.sampled_from([1, 2, 16])),
                draw(_edges(lower)),
                draw(_peers(lower)),
            )
        )
    most = 1 if blocks == "lite" else 4
    read = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=most))
    network = Network(
        draw(names),
        tuple(inputs),
        tuple(draw(st.permutations(nodes)) if draw(st.booleans()) else nodes),
        Sink((), 1),
        blocks=blocks,
        widths=draw(st.sampled_from([(64, 128, 256, 512), (8, 16, 32, 64), (1, 8192, 3, 5)])),
        modules=draw(st.sampled_from([(3, 4, 6, 3), (3, 5, 11, 7), (1, 1, 256, 1)])),
        edges=draw(st.sampled_from(["learned", "fixed"])),
        attention=draw(st.sampled_from(["none", "self", "peer"])),
        origin=draw(st.none() | origins),
        score=draw(st.none() | scores),
    )
    widths = network.out_channels()
    equal = len({widths[node.name] for node in read}) == 1
    sink = Sink(
        tuple(Edge(node.name) for node in read),
        draw(st.sampled_from([1, 339, 1_000_000])),
        draw(st.sampled_from(["mean", "concat"])) if equal else "concat",
        draw(st.sampled_from(["mean", "maxpool"])),
    )
    return attrs.evolve(network, sink=sink)


@st.composite
def _peers(draw: st.DrawFn, lower: Sequence[str]) -> tuple[Edge, ...]:
    found = draw(st.lists(st.sampled_from(lower), max_size=4, unique=True))
    return tuple(Edge(name, draw(shares)) for name in found)


@st.composite
def _edges(draw: st.DrawFn, sources: Sequence[str]) -> tuple[Edge, ...]:
    read = draw(st.lists(st.sampled_from(sources), min_size=1, max_size=6))
    if not draw(st.booleans()):
        read = list(dict.fromkeys(read))
    weighted = draw(st.sampled_from(["no", "all", "some"]))
    if weighted == "no":
        return tuple(map(Edge, read))
    choice = weights if weighted == "all" else st.none() | weights
    return tuple(Edge(source, draw(choice)) for source in read)


# Texts in any layout


@attrs.frozen
class Written:
    """A network and a text for it."""

    network: Network
    text: str


@st.composite
def written(draw: st.DrawFn) -> Written:
    """Draw a network and its text with any line ends, comments, orders and last commas."""
    network = draw(networks())
    tree = parse_syntax(SourceFile("", str(network)))
    ranks = draw(st.permutations(range(8)))
    commas = itertools.cycle(draw(st.lists(st.booleans(), min_size=1, max_size=3)))
    tokens = [
        token
        for statement in draw(_statement_orders(tree.statements))
        for token in _statement_tokens(statement, ranks, commas)
    ]
    # A few gaps are repeated, so that a failure shrinks well. Their number and the number of tokens
    # of most statements have no common divisor, so each gap is used at all places.
    gaps = itertools.cycle(draw(st.lists(_gaps(), min_size=1, max_size=9)))
    text = draw(st.sampled_from(["", "\ufeff"])) + next(gaps)
    for token, following in itertools.pairwise([*tokens, ""]):
        gap = next(gaps)
        text += token
        if not gap and re.search(r"[\w.+-]\Z", token) and re.match(r"[\w.+-]", following):
            gap = " "
        text += gap
    return Written(network, text + draw(st.sampled_from(["", "# end", "\n"])))


def texts() -> st.SearchStrategy[str]:
    """Return a strategy of texts without errors in any layout."""
    return written().map(lambda case: case.text)


@st.composite
def _statement_orders(draw: st.DrawFn, statements: Sequence[StatementNode]) -> list[StatementNode]:
    """Draw an order: `anet` first, inputs and nodes as they are, other statements anywhere."""
    movable = ("network", "sink", "origin", "score")
    ordered = [s for s in statements if s.keyword.text not in movable]
    for statement in statements:
        if statement.keyword.text in movable:
            ordered.insert(draw(st.integers(1, len(ordered))), statement)
    return ordered


def _statement_tokens(statement: StatementNode, ranks: Sequence[int], commas: Any) -> list[str]:
    head = statement.name or statement.version
    tokens = [statement.keyword.text, *([head.text] if head else [])]
    for _, attribute in sorted(zip(ranks, statement.attributes), key=lambda pair: pair[0]):
        tokens += [attribute.name.text, "=", *_value_tokens(attribute, commas)]
    return tokens


def _value_tokens(attribute: AttributeNode, commas: Any) -> list[str]:
    value = attribute.value
    if not isinstance(value, ListValue):
        return [value.text] if value is not None else []
    tokens = ["["]
    for item in value.items:
        weight = ["@", item.weight.text] if item.weight is not None else []
        tokens += [item.value.text, *weight, ","]
    if value.items and not next(commas):
        tokens.pop()
    return [*tokens, "]"]


@st.composite
def _gaps(draw: st.DrawFn) -> str:
    """Draw white space, comments, comment lines, or an empty text."""
    piece = st.sampled_from(["", "", " ", "  ", "\t", "\f"]) | newlines
    parts = draw(st.lists(piece, max_size=3))
    if draw(st.integers(0, 3)) == 0:
        parts += [draw(comments), draw(newlines), draw(piece)]
    return "".join(parts)


# Broken texts

_WORDS = '= [ ] @ , , # " n4 C level inputs 3 0.5 -1 1e999 0x7 \\ é'
_WORDS += " peers attention peer self blocks lite kind object"
_PIECES = [*KEYWORDS, *_WORDS.split(), "\n", "\r"]


@st.composite
def broken_texts(draw: st.DrawFn) -> str:
    """Draw an example or random text with tokens deleted, repeated or replaced, or any text."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.text(st.characters(), max_size=60) | any_bytes())
    base = st.sampled_from(EXAMPLES).map(_read) | networks().map(str) | texts()
    tokens = list(map(str, tokenize(draw(base))))
    for _ in range(draw(st.integers(1, 4))):
        indices = st.integers(0, max(0, len(tokens) - 1))
        place, other = draw(indices), draw(indices)
        match draw(st.sampled_from(["delete", "repeat", "swap", "replace", "insert", "cut"])):
            case "delete":
                del tokens[place : place + 1]
            case "repeat":
                tokens[place:place] = tokens[place : place + 1]
            case "swap" if tokens:
                tokens[place], tokens[other] = tokens[other], tokens[place]
            case "replace":
                tokens[place : place + 1] = [draw(st.sampled_from(_PIECES))]
            case "insert":
                tokens.insert(place, draw(st.sampled_from(_PIECES) | st.text(max_size=3)))
            case "cut":
                del tokens[place : place + draw(st.integers(1, 30))]
    return "".join(tokens)


def any_bytes() -> st.SearchStrategy[str]:
    """Return a strategy of texts of the first 256 characters, control characters included."""
    return st.binary(max_size=60).map(lambda data: data.decode("latin-1"))


def _read(path: Path) -> str:
    return path.read_bytes().decode()
