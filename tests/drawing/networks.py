"""Networks to draw, and a reader of the DOT text of their pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
import pytest

from anetdsl.drawing import engine
from anetdsl.ir import Edge, Input, Network, Node, Sink

Row = tuple[str, int, Sequence[str | tuple[str, float]], int, int]
"""Name, level, inputs (with a weight where trained), C and r."""

INPUTS = (Input("rgb", 3, "rgb"), Input("flow", 2, "flow"))
STEMS: list[Row] = [
    ("s0", 0, ["rgb"], 32, 4),
    ("s1", 0, ["rgb"], 32, 4),
    ("s2", 0, ["flow"], 32, 1),
    ("s3", 0, ["flow"], 32, 1),
]


def network(name: str, rows: Sequence[Row], classes: int = 10) -> Network:
    """Return a network made from rows. The sink reads the last one."""
    nodes = tuple(
        Node(
            name=node,
            level=level,
            channels=channels,
            dilation=dilation,
            stride=4 if level == 0 else 2,
            inputs=tuple(Edge(s) if isinstance(s, str) else Edge(*s) for s in sources),
        )
        for node, level, sources, channels, dilation in rows
    )
    return Network(name, INPUTS, nodes, Sink((Edge(nodes[-1].name),), classes))


# Table 4 of the paper.
TABLE_4 = network(
    "assemblenet",
    [
        *STEMS,
        ("n4", 1, ["s2", "s3"], 64, 4),
        ("n5", 1, ["s0"], 64, 2),
        ("n6", 2, ["s1", "n4", "n5"], 64, 1),
        ("n7", 2, ["n4", "n5"], 64, 8),
        ("n8", 2, ["n4", "n5"], 64, 2),
        ("n9", 2, ["s0", "s1", "n4", "n5"], 64, 8),
        ("n10", 3, ["s0", "s1", "n5", "n6", "n9"], 128, 4),
        ("n11", 3, ["n6", "n7", "n8"], 128, 1),
        ("n12", 3, ["n5", "n6", "n8", "n9"], 128, 4),
        ("n13", 3, ["n4", "n5", "n6", "n8", "n9"], 128, 8),
        ("n14", 4, ["n10", "n11", "n12", "n13"], 512, 4),
    ],
    classes=339,
)
# The authors' asn50 with its learned weights, to three digits.
ASN50 = network(
    "asn50",
    [
        *STEMS,
        ("n4", 1, ["s1"], 32, 1),
        ("n5", 1, ["s0"], 32, 4),
        ("n6", 1, [("s0", 0.138), ("s1", 0.847), ("s2", 0.307), ("s3", 0.287)], 32, 1),
        ("n7", 1, [("s2", 0.585), ("s3", 0.607)], 32, 2),
        (
            "n8",
            2,
            [("s0", 0.164), ("n4", 0.885), ("n5", 0.404), ("n6", 0.682), ("n7", 0.533)],
            64,
            2,
        ),
        ("n9", 2, [("s0", 0.029), ("s2", 0.103), ("n4", 0.752), ("n7", 0.926)], 64, 1),
        ("n10", 2, [("s0", 0.288), ("n5", 0.763), ("n7", 0.405)], 64, 4),
        ("n11", 2, [("s0", 0.235), ("n5", 0.784)], 64, 1),
        ("n12", 3, [("n4", 0.276), ("n8", 0.951), ("n10", 0.657), ("n11", 0.955)], 256, 1),
        ("n13", 3, [("n8", 0.505), ("n9", 0.888)], 256, 4),
        ("n14", 4, [("n12", 0.989), ("n13", 0.845)], 512, 2),
    ],
    classes=400,
)
SMALL = network("small", [STEMS[0], ("n1", 1, ["s0"], 8, 2)])
# SMALL with a change of each kind.
CHANGED = attrs.evolve(
    network(
        "child",
        [
            STEMS[0],
            STEMS[2],
            ("n1", 1, ["s0", ("s2", 0.75)], 8, 8),
            ("n2", 2, ["s0", "n1"], 16, 1),
        ],
        classes=157,
    ),
    modules=(3, 4, 5, 3),
)

needs_pure = pytest.mark.skipif(
    engine._pure_of_this_environment() is None,
    reason="graphviz-pure has no wheel for this platform",
)

_ID = r'(?:"([^"]*)"|([^\s"]+))'
_BOX = re.compile(rf"^\t\t{_ID} \[(?:label=<(.*)> ?)?([^<\n]*)\]$", re.MULTILINE)
_ARROW = re.compile(rf"^\t{_ID} -> {_ID} \[(.*)\]$", re.MULTILINE)
_ARROW_LABEL = re.compile(rf"^\t{_ID} \[(.*)\]$", re.MULTILINE)
_ATTRIBUTE = re.compile(r'(\w+)=("[^"]*"|\S+)')


def boxes(source: str) -> dict[str, tuple[str, str]]:
    """Return text and attributes of each box, by identifier."""
    return {
        quoted or plain: (re.sub("<[^>]*>", " ", label), rest)
        for quoted, plain, label, rest in _BOX.findall(source)
        if not quoted.startswith("(column")
    }


def arrow_list(source: str) -> list[tuple[tuple[str, str], str, dict[str, str]]]:
    """Return ends, text and attributes of each arrow.

    An arrow with a label is written as two: one to the label's box, without a head, and one from
    there. The attributes are those of the second.
    """
    labels = {
        quoted: _attributes(rest)["label"]
        for quoted, _, rest in _ARROW_LABEL.findall(source)
        if quoted.startswith("(")
    }
    tails: dict[str, str] = {}
    found = []
    for tail, plain_tail, head, plain_head, rest in _ARROW.findall(source):
        start, end = tail or plain_tail, head or plain_head
        attributes = _attributes(rest)
        if end in labels:
            assert attributes["arrowhead"] == "none"
            tails[end] = start
        elif not start.startswith("(column"):
            label = labels.get(start, attributes.pop("label", ""))
            found.append(((tails.get(start, start), end), label.strip('"'), attributes))
    return found


def _attributes(text: str) -> dict[str, str]:
    return dict(_ATTRIBUTE.findall(text))


def arrows(source: str) -> dict[tuple[str, str], tuple[str, dict[str, str]]]:
    """Return text and attributes of each arrow, by its ends."""
    return {ends: (label, pen) for ends, label, pen in arrow_list(source)}
