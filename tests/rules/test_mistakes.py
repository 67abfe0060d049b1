"""Every mistake is reported once, and all mistakes of a text in one run."""

from __future__ import annotations

import attrs
import pytest

from anetdsl.diagnostics import Diagnostic, in_order
from anetdsl.source import Span
from tests.mistakes import GOOD, HEAD, LEVELS, SINK, STEM, codes_of, findings_in

# (part of the good text, its replacement, codes of the findings)
ONE_MISTAKE: list[tuple[str, str, list[str]]] = [
    # The version
    ("anet 1\n", "", ["A201"]),
    ("anet 1", "anet", ["A104"]),
    ("anet 1", "anet v1", ["A104"]),
    ("anet 1", "anet1", ["A107"]),
    ("anet 1", "ANET 1", ["A107"]),
    ("anet 1", "anet 1 2", ["A104"]),
    ("anet 1", "anet 1.0", ["A202"]),
    ("anet 1", "anet 0x1", ["A103"]),
    ("anet 1", "anet 2", ["A202"]),
    ("anet 1", "anet 1 strict=1", ["A104"]),
    ("anet 1\nnetwork demo\n", "network demo\nanet 1\n", ["A201"]),
    ("anet 1", "anet 1\nanet 1", ["A204"]),
    # Keywords
    ("network demo", "netwrok demo", ["A107"]),
    ("network demo", "Network demo", ["A107"]),
    ("input rgb", "inputs rgb", ["A107"]),
    ("node s0", "nod s0", ["A107"]),
    ("node a2", "nodee a2", ["A107"]),
    ("node a2", "Node a2", ["A107"]),
    ("node a2", "nodea2", ["A107"]),
    ("node a2", "block a2", ["A107"]),
    ("node a2", "a2", ["A107"]),
    ("sink", "snik", ["A107"]),
    ("sink", "sinks", ["A107"]),
    ("sink ", "", ["A203"]),
    # Statements
    ("network demo\n", "", ["A203"]),
    ("input rgb channels=3\n", "", ["A203"]),
    (SINK, "", ["A203"]),
    (STEM + LEVELS, "", ["A203"]),
    (HEAD + STEM + LEVELS + SINK, "anet 1\n", ["A203"]),
    (SINK, SINK + SINK, ["A204"]),
    ("network demo\n", "network demo\nnetwork other\n", ["A204"]),
    # Names
    ("network demo", "network", ["A104"]),
    ("network demo", "network D=[64, 128, 256, 512]", ["A104"]),
    ("network demo", "network two-stream", ["A101"]),
    ("network demo", "network 2stream", ["A103"]),
    ("network demo", 'network "demo"', ["A104"]),
    ("input rgb", "input", ["A104"]),
    ("node a1", "node", ["A104"]),
    ("node a1", "node 1a", ["A103"]),
    ("node a1", "node ä1", ["A101"]),
    ("node a1", "node a\u200b1", ["A101"]),
    ("node a1", 'node "a1"', ["A104"]),
    ("node a1", "node input", ["A106"]),
    ("node a1", "node sink", ["A106"]),
    ("node a1", "node a1:", ["A101"]),
    ("node a1", "node a1 a2", ["A104"]),
    ("node a1", "node.a1", ["A101"]),
    ("node a1 level", "node a1 = level", ["A104"]),
    (STEM, STEM + STEM, ["A301"]),
    (STEM, STEM + "input s0 channels=1\n", ["A301"]),
    # Nodes with mistakes are not reported as unknown
    ("node a2 level=2", "node a2 level=5", ["A405"]),
    ("node a2 level=2", "node a2 level=two", ["A404"]),
    ("node a2 level=2", "node a2 level=", ["A104"]),
    ("node a2 level=2", "node a2 level 2", ["A104"]),
    ("node a2 level=2", "node a2 levl=2", ["A401"]),
    ("node a2 level=2", "node a2", ["A403"]),
    ("node a2 level=2 C=256 r=1 stride=2 inputs=[a1]", "node a2", ["A403"]),
    ("C=256", "C=256k", ["A103"]),
    ("C=256", "C:256", ["A101"]),
    ("C=256", "C=99999", ["A405"]),
    ("C=256", "C=-1", ["A405"]),
    ("C=256", "C=25.6", ["A404"]),
    ("C=256", "C=[256]", ["A409"]),
    ("C=256", "C==256", ["A104"]),
    ("C=256", "=256", ["A104"]),
    ("C=256", "256", ["A104"]),
    ("C=256", "C=256,", ["A104"]),
    ("C=256", "C=128 C=256", ["A402"]),
    ("C=256", "c=256", ["A401"]),
    ("C=256 ", "", ["A403"]),
    ("C=256", "C=256 groups=2", ["A401"]),
    # A wrong level causes no further findings about edges, strides and levels
    ("node a2 level=2", "node a2 level=1", ["A501"]),
    ("node a2 level=2", "node a2 level=3", ["A501"]),
    ("node a4 level=4", "node a4 level=0", ["A303"]),
    ("node s0 level=0", "node s0 level=1", ["A303"]),
    # Edges
    ("inputs=[a2]", "inputs=[a22]", ["A302"]),
    ("inputs=[a2]", "inputs=[a22, a22]", ["A302", "A302"]),
    ("inputs=[a2]", "inputs=[rgb]", ["A303"]),
    ("inputs=[a2]", "inputs=[a3]", ["A501"]),
    ("inputs=[a2]", "inputs=[a2, a4]", ["A501"]),
    ("inputs=[a2]", "inputs=[3]", ["A404"]),
    ("inputs=[a2]", 'inputs=["a2"]', ["A404"]),
    ("inputs=[a2]", "inputs=a2", ["A404"]),
    ("inputs=[a2]", "inputs=[]", ["A409"]),
    ("inputs=[a2]", "inputs=[a2", ["A105"]),
    ("inputs=[a2]", "inputs=[a2,", ["A105"]),
    ("inputs=[a2]", "inputs=[", ["A105"]),
    ("inputs=[a2]", "inputs=a2]", ["A104"]),
    ("inputs=[a2]", "inputs=[a2]]", ["A104"]),
    ("inputs=[a2]", "inputs=[[a2]]", ["A108"]),
    ("inputs=[a2]", "inputs=[a2 a1]", ["A104"]),
    ("inputs=[a2]", "inputs=[a2; a1]", ["A101"]),
    ("inputs=[a2]", "inputs=[a2,, a1]", ["A104"]),
    ("inputs=[a2]", "inputs=(a2)", ["A101"]),
    ("inputs=[a2]", "inputs=", ["A104"]),
    ("inputs=[a2]", "inputs", ["A104"]),
    ("inputs=[a2]", "inputs [a2]", ["A104"]),
    ("inputs=[a2]", "[a2]", ["A104"]),
    ("inputs=[a2]", "input=[a2]", ["A106"]),
    ("inputs=[a2]", "inputs=[node]", ["A106"]),
    ("inputs=[a2]", "inputs=[a2, a1@]", ["A104"]),
    ("inputs=[a2]", "inputs=[a2, a1@x]", ["A104"]),
    ("inputs=[a2]", "inputs=[a2, a1@1.0]", ["A408"]),
    ("inputs=[a2]", "inputs=[a2, a1@-0]", ["A408"]),
    ("inputs=[a2]", "inputs=[a2, a1@1e-999]", ["A408"]),
    ("inputs=[a2]", "inputs=[a2, a1@50%]", ["A101"]),
    ("inputs=[a2]", "inputs=[a2, a1=0.5]", ["A104"]),
    ("inputs=[a2]", "inputs=[a2@0.5]", ["A605"]),
    ("inputs=[a2]", "inputs=[a2, a2]", ["A604"]),
    ("inputs=[a2]", "inputs=[a2@0.5, a2]", ["A604"]),
    ("inputs=[rgb]", "inputs=[rbg]", ["A302"]),
    ("inputs=[rgb]", "inputs=[rgb, rgb]", ["A409"]),
    ("inputs=[rgb]", "inputs=[a1]", ["A303"]),
    ("inputs=[rgb]", "inputs=[rgb@2]", ["A407"]),
    ("inputs=[a4]", "inputs=[a5]", ["A302"]),
    ("inputs=[a4]", "inputs=[rgb]", ["A303"]),
    ("inputs=[a4]", "inputs=[a4@0.9]", ["A407"]),
    ("inputs=[a4]", "inputs=[a3, a4]", ["A503"] * 0),
    ("sink inputs=[a4]", "sink top inputs=[a4]", ["A104"]),
    ("stride=4", "stride=2", ["A504"]),
    ("stride=4", "stride=2 stride=4", ["A402"]),
    # Other statements
    ("network demo", "network demo D=[64, 128, 256]", ["A409"]),
    ("network demo", "network demo D=64", ["A404"]),
    ("network demo", "network demo D=[64@0.5, 128, 256, 512]", ["A407"]),
    ("network demo", "network demo modules=[3, 4, x, 3]", ["A404"]),
    ("network demo", "network demo edges=frozen", ["A406"]),
    ("network demo", 'network demo\norigin parent="g1', ["A102"]),
    ("network demo", 'network demo\norigin parent="a\\qb"', ["A102"]),
    ("network demo", "network demo\norigin parent=g1", ["A404"]),
    ("network demo", "network demo\norigin seed=-1", ["A405"]),
    ("network demo", "network demo\nscore top1=1e999", ["A405"]),
    ("network demo", "network demo\nscore top3=5", ["A401"]),
    ("channels=3", "channels=0", ["A405"]),
    ("channels=3", "channel=3", ["A401"]),
    (" channels=3", "", ["A403"]),
    ("channels=3", "channels=3 kind=grey", ["A406"]),
    ("classes=10", "classes=ten", ["A404"]),
    ("classes=10", "", ["A403"]),
    # Texts without mistakes
    ("anet 1\n", "\ufeffanet 1\n", []),
    ("inputs=[a2]", "inputs=[\n  a2,  # the level below\n  a1,\n]", []),
    ("inputs=[a2]", "inputs=[a2@0.5, a1@.25]", []),
    ("C=256", "C=+256", []),
    ("\n", "\r", []),
    ("\n", "\r\n", []),
    ("\n", " ", []),
    ("anet 1", "anet 1 # anetc: allow A602", []),
]


@pytest.mark.parametrize(("old", "new", "expected"), ONE_MISTAKE)
def test_one_mistake_gives_one_finding(old: str, new: str, expected: list[str]) -> None:
    assert old in GOOD
    every = old == "\n"
    assert codes_of(GOOD.replace(old, new, -1 if every else 1)) == expected


@pytest.mark.parametrize(
    ("old", "new", "help_text"),
    [
        ("inputs=[a2]", "inputs={a2, a1}", "a list is written in [ ]"),
        ("inputs=[a2]", "inputs=(a2)", "a list is written in [ ]"),
        ("node a2", "node a2 {", "a statement needs no brackets"),
        ("inputs=[a2]", "inputs: [a2]", "an attribute is written `name=value`"),
        ("C=256", "C:256", "an attribute is written `name=value`"),
        ("inputs=[a2]", "inputs=[a2: 0.5, a1]", "the weight of an edge `name@0.5`"),
        ("C=256", "C=256;", "separated by white space"),
        ("network demo", "network 'demo'", "a name without quotes"),
        ("anet 1\n", "// an input and a node\nanet 1\n", "a comment starts with `#`"),
        ("anet 1\n", "anet 1 // version\n", "a comment starts with `#`"),
        ("inputs=[a2]", "inputs=[a2] // the node a3 of level=3", "a comment starts with `#`"),
        ("inputs=[a2]", "inputs=[a2, // node\n  a1]", "a comment starts with `#`"),
        ("inputs=[a2]\n", "inputs=[a2]\n// node b\n// sink\n", "a comment starts with `#`"),
        ("anet 1\n", "anet 1\n/* first */\n", "a comment starts with `#`"),
        ("node a2", "node a~2", "names consist of the letters"),
    ],
)
def test_help_for_the_signs_of_other_languages(old: str, new: str, help_text: str) -> None:
    assert GOOD.count(old) == 1
    (finding,) = findings_in(GOOD.replace(old, new))[1]
    assert finding.code == "A101"
    assert help_text in finding.help


WHOLE_TEXTS: list[tuple[str, list[str]]] = [
    ("", ["A201"]),
    ("\n\n  \n", ["A201"]),
    ("\ufeff", ["A201"]),
    ("# only a comment", ["A201"]),
    ("\0", ["A101"]),
    ("{}", ["A101"]),
    ('"', ["A102"]),
    ("3", ["A107"]),
    ("hello world", ["A107"]),
    ("<html>\n<body>\n</html>\n", ["A101"]),
    ("name: demo\nlevels:\n  - 3\n", ["A107"]),
    ("\udcff\udcfe", ["A109"]),
    ("anet 1", ["A203"]),
    ("anet 2", ["A202", "A203"]),
]


@pytest.mark.parametrize(("text", "expected"), WHOLE_TEXTS)
def test_findings_of_other_texts(text: str, expected: list[str]) -> None:
    assert codes_of(text) == expected


SEVERAL = """\
anet 1
network demo D=[64, x, 0, 512] edges=frozen
input rgb chanels=3
input rgb channels=3
node s0 level=0 C=32 r=4 stride=4 inputs=[rgb@0.1]
nod s1 level=0 C=32 r=4 stride=4 inputs=[rgb]
node a1 level=1 C=64 r=1 stride=1 inputs=[s0, s1, x1]
node a2 level=2 C=512k r=1 stride=2 inputs=[a1 a1]
node a3 level=3 C=512 r=1 strid=2 inputs=[a2]
node a3 level=4 C=512 r=1 stride=2 inputs=[a3, nowhere, "a2"]
sink inputs=[a3 classes=0 combine=avg
sink inputs=[elsewhere] classes=0
"""


def test_all_mistakes_of_a_file_are_reported_in_one_run() -> None:
    """s1, a2 and a3 are defined by statements with mistakes and are not reported as unknown."""
    source, findings = findings_in(SEVERAL)
    found = [(source.position(d.span.start).line + 1, d.code) for d in findings]
    assert found == [
        (2, "A404"),  # x
        (2, "A405"),  # 0
        (2, "A406"),
        (3, "A401"),
        (4, "A301"),
        (5, "A407"),
        (6, "A107"),
        (7, "A302"),  # x1
        (8, "A103"),
        (8, "A104"),
        (9, "A401"),
        (10, "A301"),
        (10, "A302"),  # nowhere
        (10, "A404"),
        (11, "A105"),
        (11, "A405"),
        (11, "A406"),
        (12, "A204"),
        (12, "A302"),  # elsewhere
        (12, "A405"),
    ]


def test_in_order_sorts_and_removes_duplicates() -> None:
    late, early = Diagnostic("A101", "x", Span(5, 6)), Diagnostic("A301", "y", Span(2, 3))
    assert in_order([late, early, late, attrs.evolve(early)]) == (early, late)
