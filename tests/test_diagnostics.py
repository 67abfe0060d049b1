"""Findings: one golden file a code, how they are shown, and that each mistake is said once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

from anetdsl.codes import CODES, WARNINGS
from anetdsl.diagnostics import Diagnostic, Fix, Label, Severity, did_you_mean, in_order
from anetdsl.reading import check_file, check_source
from anetdsl.rendering.lsp import report
from anetdsl.rendering.screen import columns, visible
from anetdsl.rendering.text import render_concise, render_text, summary
from anetdsl.source import Edit, SourceFile, Span
from anetdsl.vocabulary import MAX_FILE_BYTES, MAX_FINDINGS, MAX_NODES

REPOSITORY = Path(__file__).resolve().parent.parent

HEAD = "anet 1\nnetwork demo\ninput rgb channels=3\n"
STEM = "node s0 level=0 C=32 r=4 stride=4 inputs=[rgb]\n"
LEVELS = """\
node a1 level=1 C=128 r=1 stride=1 inputs=[s0]
node a2 level=2 C=256 r=1 stride=2 inputs=[a1]
node a3 level=3 C=512 r=1 stride=2 inputs=[a2]
node a4 level=4 C=512 r=1 stride=2 inputs=[a3]
"""
SINK = "sink inputs=[a4] classes=10\n"
GOOD = HEAD + STEM + LEVELS + SINK

TOO_LARGE = "#" * (MAX_FILE_BYTES + 1)
TOO_MANY_NODES = (
    HEAD
    + STEM
    + "".join(f"node n{i} level=1 C=1 r=1 stride=1 inputs=[s0]\n" for i in range(1, MAX_NODES + 1))
    + "sink inputs=[n1] classes=10\n# anetc: allow A601, A602, A603\n"
)
TOO_MANY_FINDINGS = "# anetc: allow A999\n" * MAX_FINDINGS + GOOD
SPECIAL_EXAMPLES = {"A110": TOO_LARGE, "A205": TOO_MANY_NODES, "A608": TOO_MANY_FINDINGS}
"""Texts of codes whose texts are too long to be written down."""


def example_of(code: str) -> str:
    return SPECIAL_EXAMPLES.get(code) or CODES[code].example


def findings_in(text: str) -> tuple[SourceFile, tuple[Diagnostic, ...]]:
    """As a file with these bytes would give; a surrogate stands for a byte that is not UTF-8."""
    data = text.encode("utf-8", "surrogateescape")
    checked = check_file("example.anet", data=data)
    return checked.source, checked.diagnostics


def codes_of(text: str) -> list[str]:
    return [finding.code for finding in findings_in(text)[1]]


def edited(text: str, edits: tuple[Edit, ...]) -> str:
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


# Codes


@pytest.mark.parametrize("code", CODES)
def test_golden_file_of_each_code(code: str, golden: Callable[[str, str], None]) -> None:
    """A code's example has that one finding; the golden file shows what a user sees of it."""
    example = example_of(code)
    source, findings = findings_in(example)
    if code == "A608":
        assert {finding.code for finding in findings[:MAX_FINDINGS]} == {"A607"}
        findings = findings[MAX_FINDINGS:]
    assert [finding.code for finding in findings] == [code]
    assert findings[0].severity is CODES[code].severity
    shown = render_text(source, findings)
    lines = example.encode("utf-8", "surrogateescape").splitlines(keepends=True)
    if len(lines) > 30 or len(example) > 5000:
        what = f"({len(lines):,} lines, {len(example):,} characters)\n"
    else:
        what = b"".join(lines).decode("utf-8", "surrogateescape")
    golden(f"diagnostics/{code}.txt", f"{what}\n$ anetc check example.anet\n{shown}")


def test_no_golden_file_is_left_over() -> None:
    kept = {path.stem for path in (REPOSITORY / "tests/golden/diagnostics").glob("*.txt")}
    assert kept == set(CODES)


def test_codes_are_grouped_and_in_order() -> None:
    assert list(CODES) == sorted(CODES)
    assert all(re.fullmatch(r"A[1-6]\d\d", code) for code in CODES)
    assert {code for code in CODES if code.startswith("A6")} == WARNINGS
    titles = [code.title for code in CODES.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("code", CODES)
def test_a_fix_removes_its_finding(code: str) -> None:
    """The edits of a fix, applied, mend the example; nothing else is wrong afterwards."""
    example = example_of(code)
    source, findings = findings_in(example)
    if findings[0].fix is not None:
        assert codes_of(edited(source.text, findings[0].fix.edits)) == []


FIXES = [
    ("network demo\ninput", "A201", "anet 1\nnetwork demo\ninput"),
    ("# a comment first\nnetwork demo\n", "A201", "# a comment first\nanet 1\nnetwork demo\n"),
    ("[s0]", "A105", None),
]
CHANGES_WITH_FIX = [
    ("node a2", "nod a2"),
    ("sink", "Sink"),
    ("inputs=[a1]", "input=[a1]"),
    ("inputs=[a1]", "inputs=[a1"),
    ("inputs=[a1]", "inputs=[a1 s0]"),
    ("inputs=[a1]", "inputs=[a1,"),
    ("inputs=[a1]", "inputs=[A1]"),
    ("inputs=[a1]", "inputs=[a1@0.5]"),
    ("inputs=[rgb]", "inputs=[rgb@0.5]"),
    ("inputs=[rgb]", "inputs=[rbg]"),
    ("inputs=[a4]", "inputs=[a4@0.5]"),
    ("stride=4", "strid=4"),
    ("stride=4", "Stride=4"),
    ("C=32", "c=32"),
    ("channels=3", "chanels=3"),
    ("network demo", "network demo edges=learnd"),
    ("classes=10", "classes=10 combine=concta"),
    ("anet 1\n", ""),
    ("anet 1\n", "# hello\n"),
    ("anet 1\n", "\ufeff"),
    ("anet 1\n", "\r\n"),
]


@pytest.mark.parametrize(("old", "new"), CHANGES_WITH_FIX)
def test_fixes_mend_what_was_done(old: str, new: str) -> None:
    """One finding, and its edits give a clean text."""
    text = GOOD.replace(old, new, 1)
    findings = findings_in(text)[1]
    assert len(findings) == 1
    assert findings[0].fix is not None
    assert codes_of(edited(text, findings[0].fix.edits)) == []


def test_a_fix_keeps_the_line_ends_of_the_file() -> None:
    text = GOOD.replace("anet 1\n", "").replace("\n", "\r\n")
    (finding,) = findings_in(text)[1]
    assert finding.fix is not None
    assert edited(text, finding.fix.edits) == "anet 1\r\n" + text


# Each mistake once, and nothing that only follows from it

# (what stands in the good text, what is written in its place, the codes that it gives)
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
    # Broken nodes are not unknown where they are read
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
    ("C=256", "C=[256]", ["A404"]),
    ("C=256", "C==256", ["A104"]),
    ("C=256", "=256", ["A104"]),
    ("C=256", "256", ["A104"]),
    ("C=256", "C=256,", ["A104"]),
    ("C=256", "C=128 C=256", ["A402"]),
    ("C=256", "c=256", ["A401"]),
    ("C=256 ", "", ["A403"]),
    ("C=256", "C=256 groups=2", ["A401"]),
    # A level that cannot be right spoils what is said of edges, strides and levels
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
    # What is no mistake
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
def test_one_mistake_is_said_once(old: str, new: str, expected: list[str]) -> None:
    assert old in GOOD
    every = old == "\n"
    assert codes_of(GOOD.replace(old, new, -1 if every else 1)) == expected


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
def test_texts_that_are_no_network(text: str, expected: list[str]) -> None:
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
    """Each at its line; s1, a2 and a3 are defined, if badly, and so not unknown."""
    source, findings = findings_in(SEVERAL)
    told = [(source.position(d.span.start).line + 1, d.code) for d in findings]
    assert told == [
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


def test_findings_come_in_reading_order_and_once() -> None:
    late, early = Diagnostic("A101", "x", Span(5, 6)), Diagnostic("A301", "y", Span(2, 3))
    assert in_order([late, early, late, attrs.evolve(early)]) == (early, late)


# Suggestions

TWO_STEMS = STEM + STEM.replace("s0", "s1")
LONG_NAMES = """\
anet 1
network demo
input video channels=3
input videos channels=3
node stream0 level=0 C=32 r=4 stride=4 inputs=[video]
node stream1 level=1 C=128 r=1 stride=1 inputs=[stream0]
node stream2 level=2 C=256 r=1 stride=2 inputs=[stream1]
node stream3 level=3 C=512 r=1 stride=2 inputs=[stream2]
node stream4 level=4 C=512 r=1 stride=2 inputs=[stream3]
sink inputs=[stream4] classes=10
"""


@pytest.mark.parametrize(
    ("old", "new", "suggested"),
    [
        # A node is never told to read its own level, a higher one or itself.
        ("inputs=[stream1]", "inputs=[streaml]", {"stream0", "stream1"}),
        ("inputs=[stream1]", "inputs=[stream22]", {"stream0", "stream1"}),
        ("inputs=[stream1]", "inputs=[Stream2]", set()),
        ("inputs=[stream1]", "inputs=[stream33]", {"stream0", "stream1"}),
        ("inputs=[stream0]", "inputs=[Stream1]", set()),
        ("inputs=[stream1]", "inputs=[Stream1]", {"stream1"}),
        # A stem is told inputs alone, a node and the sink are told nodes alone.
        ("inputs=[video]", "inputs=[vidoe]", {"video"}),
        ("inputs=[video]", "inputs=[stream]", set()),
        ("inputs=[stream0]", "inputs=[vido]", set()),
        ("inputs=[stream4]", "inputs=[vido]", set()),
        ("inputs=[stream4]", "inputs=[stream44]", {"stream4"}),
        # What the list has already is no suggestion.
        ("inputs=[stream1]", "inputs=[stream1, stream0, stream11]", set()),
        ("inputs=[stream2]", "inputs=[stream2, stream22]", {"stream0", "stream1"}),
        # Attributes: those of the statement, and only the ones not given yet.
        ("r=4", "R=4", {"r"}),
        ("r=4", "r=4 R=4", set()),
        ("stride=4", "stride=4 strides=4", set()),
        ("stride=4", "strides=4", {"stride"}),
        ("channels=3", "classes=3", set()),
        ("channels=3", "chanels=3", {"channels"}),
        ("classes=10", "channels=10", set()),
        ("inputs=[video]", "inputs=[video] input=[video]", set()),
        ("inputs=[video]", "input=[video]", {"inputs"}),
        # Choices and keywords.
        ("classes=10", "classes=10 combine=men", {"mean"}),
        ("classes=10", "classes=10 head=maxpol", {"maxpool"}),
        ("classes=10", "classes=10 head=learned", set()),
        ("sink", "sinck", {"sink"}),
        ("node stream2", "layer stream2", set()),
        ("anet 1", "# anetc: allow A608\nanet 1", None),
    ],
)
def test_did_you_mean_names_only_what_is_valid_there(
    old: str, new: str, suggested: set[str] | None
) -> None:
    """`suggested` holds what may be named; None is any warning's code."""
    (finding,) = findings_in(LONG_NAMES.replace(old, new, 1))[1]
    said = re.findall(r"did you mean `?(\w+)`?\?", f"{finding.help} {finding.message}")
    if suggested is None:
        assert set(said) <= WARNINGS
        return
    assert set(said) <= suggested
    assert bool(said) == bool(suggested)
    assert (finding.fix is not None) == bool(said)


@pytest.mark.parametrize(
    ("word", "valid", "guess"),
    [
        ("lvel", ["level", "stride"], "level"),
        ("LEVEL", ["level"], "level"),
        ("c", ["C"], "C"),
        ("x", ["C", "r"], None),
        ("a5", ["a1", "a2"], None),
        ("", ["a"], None),
        ("word", [], None),
        ("x" * 100_000, ["x" * 99_999], None),
    ],
)
def test_did_you_mean_is_a_slip_of_the_fingers(
    word: str, valid: list[str], guess: str | None
) -> None:
    assert did_you_mean(word, valid) == guess


# Warnings


def test_allow_comments_turn_warnings_off() -> None:
    text = GOOD.replace("C=256", "C=64")
    assert codes_of(text) == ["A602"]
    for comment in ("# anetc: allow A602", "#anetc:allow A601,A602", "# anetc: allow A602 (why)"):
        assert codes_of(f"{comment}\n{text}") == []
        assert codes_of(f"{text}{comment}") == []
    assert codes_of(f"# as in: anetc: allow A602\n{text}") == ["A602"]


@pytest.mark.parametrize("code", ["A999", "A302", "A60"])
def test_allow_comments_that_allow_nothing(code: str) -> None:
    """Errors and unknown codes are a finding of their own."""
    source, (finding,) = findings_in(f"# anetc: allow A602, {code}\n{GOOD}")
    assert finding.code == "A607"
    assert source.text[finding.span.start : finding.span.end] == code


def test_the_search_is_judged_harder() -> None:
    """Some warnings are errors there, and no comment turns those off."""
    for code, entry in CODES.items():
        if entry.severity is Severity.WARNING and entry.example:
            source = SourceFile("x", entry.example)
            (normal,) = check_source(source).diagnostics
            (harder,) = check_source(
                source, search=True, allow=[code] * entry.for_search
            ).diagnostics
            assert not normal.is_error
            assert harder.is_error == entry.for_search
            assert check_source(source, allow=[code]).diagnostics == ()


# Caret text


def shown(text: str, *places: tuple[Span, str], name: str = "x.anet", **fields: Any) -> str:
    """How a finding at the first place, with labels at the others, is shown, without its head."""
    (span, note), *labels = places
    finding = Diagnostic(
        "A101", "message", span, note=note, labels=tuple(Label(*p) for p in labels), **fields
    )
    return render_text(SourceFile(name, text), [finding]).split("\n", 1)[1]


def at(text: str, part: str, note: str = "") -> tuple[Span, str]:
    start = text.index(part)
    return Span(start, start + len(part)), note


def test_labels_on_the_same_line() -> None:
    text = "aa bb cc\n"
    assert shown(text, at(text, "bb", "note"), at(text, "aa", "left"), at(text, "cc", "right")) == (
        " --> x.anet:1:4\n  |\n1 | aa bb cc\n  | -- left\n  |    ^^ note\n  |       -- right\n\n"
    )


def test_labels_on_other_lines_widen_the_gutter() -> None:
    """Lines in between are left out, next lines are not."""
    text = "first\nsecond\n" + "\n" * 6 + "ninth\ntenth\n"
    assert shown(text, at(text, "tenth"), at(text, "first", "a"), at(text, "ninth", "b")) == (
        "  --> x.anet:10:1\n"
        "   |\n"
        " 1 | first\n"
        "   | ----- a\n"
        "   :\n"
        " 9 | ninth\n"
        "   | ----- b\n"
        "10 | tenth\n"
        "   | ^^^^^\n\n"
    )


def test_help_follows() -> None:
    text = "abc"
    assert shown(text, at(text, "b"), help="do this") == (
        " --> x.anet:1:2\n  |\n1 | abc\n  |  ^\n  = help: do this\n\n"
    )


@pytest.mark.parametrize(
    ("text", "part", "line", "carets"),
    [
        ("\ta\tb", "b", "    a    b", "         ^"),
        ("\ta", "\t", "    a", "^^^^"),
        ("幅=１２", "１２", "幅=１２", "   ^^^^"),
        ("a😀b", "b", "a😀b", "   ^"),
        ("a😀b", "😀", "a😀b", " ^^"),
        ("e\u0301=1", "1", "e\u0301=1", "  ^"),
        ("\u2764\ufe0f=1", "1", "\u2764\ufe0f=1", "  ^"),
        ("a\x1b[31mb", "b", "a␛[31mb", "      ^"),
        ("a\x00\x7fb", "b", "a␀␡b", "   ^"),
        ("a\u202e\u200bb", "b", "a��b", "   ^"),
        ("a\x85\u2028b", "b", "a��b", "   ^"),
        ("a\ud800b", "b", "a�b", "  ^"),
        ("x \x0c y", "y", "x ␌ y", "    ^"),
    ],
)
def test_carets_stand_beneath_what_is_seen(text: str, part: str, line: str, carets: str) -> None:
    """Tabs, wide and combining characters, and what a terminal must not be sent."""
    lines = shown(text, at(text, part)).split("\n")
    assert lines[2] == f"1 | {line}"
    assert lines[3] == f"  | {carets}"


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\r\b\x00"


def test_nothing_in_a_text_or_a_name_reaches_the_terminal_unseen() -> None:
    """Escape sequences in the source, in names and in messages are shown, not sent."""
    source = SourceFile(f"{HOSTILE}\n.anet", f"anet 1\nnode {HOSTILE} level=1\n{HOSTILE}")
    finding = Diagnostic(
        "A101",
        HOSTILE,
        Span(8, 30),
        note=HOSTILE,
        labels=(Label(Span(0, 4), HOSTILE),),
        help=HOSTILE,
    )
    found = (*check_source(source).diagnostics, finding)
    text = render_text(source, found) + render_concise(source, found)
    assert all(char == "\n" or char.isprintable() for char in text)
    assert "\u202e" not in text
    assert len(render_concise(source, [finding]).splitlines()) == 1
    coloured = render_text(source, found, colour=True)
    assert set(re.findall("\x1b[^m]*m?", coloured)) <= {
        *("\x1b[1;31m", "\x1b[1;33m", "\x1b[34m", "\x1b[36m", "\x1b[0m")
    }
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == render_text(source, found)


@pytest.mark.parametrize(
    ("text", "line"), [("plain", "plain"), ("\x1b", "␛"), ("\x9b", "�"), ("ab\u0300", "ab\u0300")]
)
def test_visible_text_is_as_wide_as_is_said(text: str, line: str) -> None:
    assert visible(text) == line
    assert columns(text) == len(line.replace("\u0300", ""))


def test_long_lines_are_cut_around_the_places() -> None:
    """Each place is shown with some of what is around it, and none is shown where it is not."""
    text = "aa" + " " * 200 + "bb" + " " * 5000 + "cc\n"
    output = shown(text, at(text, "bb", "here"), at(text, "aa", "first"), at(text, "cc", "last"))
    lines = output.split("\n")
    assert max(map(len, lines)) < 140
    for sign, part, words in (("-", "aa", "first"), ("^", "bb", "here"), ("-", "cc", "last")):
        (index,) = [i for i, line in enumerate(lines) if line.endswith(f"{sign * 2} {words}")]
        column = lines[index].index(sign * 2)
        assert lines[index - 1][column : column + 2] == part
    assert [line[4:7] for line in lines if line.startswith("1 |")] == ["aa ", "...", "..."]
    assert [line[-3:] for line in lines if line.startswith("1 |")] == ["...", "...", " cc"]


def test_a_very_long_span_stays_on_its_line() -> None:
    text = "x" * 1_000_000
    output = shown(text, (Span(0, len(text)), "all"))
    assert len(output) < 500
    assert output.count("^") == 120


def test_a_span_over_several_lines_is_marked_on_its_first() -> None:
    text = "inputs=[\n  a,\n  b\n]\n"
    assert shown(text, (Span(7, len(text) - 1), "")).split("\n")[2:5] == [
        "1 | inputs=[",
        "  |        ^",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "offset", "place", "line", "carets"),
    [
        ("", 0, "1:1", "1 |", "  | ^"),
        ("ab", 2, "1:3", "1 | ab", "  |   ^"),
        ("ab\n", 2, "1:3", "1 | ab", "  |   ^"),
        ("ab\n", 3, "2:1", "2 |", "  | ^"),
        ("ab\r\n", 2, "1:3", "1 | ab", "  |   ^"),
        ("ab\r\ncd", 4, "2:1", "2 | cd", "  | ^"),
        ("ab\rcd", 3, "2:1", "2 | cd", "  | ^"),
        ("ab", 99, "1:3", "1 | ab", "  |   ^"),
    ],
)
def test_places_at_ends(text: str, offset: int, place: str, line: str, carets: str) -> None:
    """The end of a file or a line, an empty file, every kind of line end."""
    lines = shown(text, (Span(offset, offset), "")).split("\n")
    assert lines[0].endswith(f"x.anet:{place}")
    assert lines[2:4] == [line, carets]


def test_line_ends_change_nothing_of_what_is_said() -> None:
    spoilt = GOOD.replace("C=256", "C=x").replace("inputs=[a3]", "inputs=[a9]")
    expected = render_text(*findings_in(spoilt))
    for newline in ("\r\n", "\r"):
        assert render_text(*findings_in(spoilt.replace("\n", newline))) == expected


def test_concise_form() -> None:
    source, findings = findings_in(GOOD.replace("C=256", "C=x").replace("[rgb]", "[rgb@0.5]"))
    assert render_concise(source, findings) == (
        "example.anet:4:47: error[A407]: an edge from an input to a stem has no weight\n"
        "example.anet:6:19: error[A404]: `C` is a whole number from 1 to 8,192, not `x`\n"
    )


def test_summary() -> None:
    error = Diagnostic("A101", "", Span(0, 0))
    warning = attrs.evolve(error, severity=Severity.WARNING)
    assert summary([]) == "no findings"
    assert summary([error]) == "1 error"
    assert summary([warning] * 1000) == "1,000 warnings"
    assert summary([error, warning, error]) == "2 errors and 1 warning"


def test_messages_are_short_however_long_the_names() -> None:
    name = "x" * 200_000
    text = f"{HEAD}node {name} level=0 C=1 r=1 stride=4 inputs=[{name}]\nnode {name} {name}=1"
    source, findings = findings_in(text)
    assert findings
    assert len(render_text(source, findings)) < 1500 * len(findings)
    assert len(json.dumps(report([(source, findings)]))) < 3000 * len(findings)


# JSON

_POSITION = {
    "type": "object",
    "properties": {"line": {"type": "integer"}, "character": {"type": "integer"}},
    "required": ["line", "character"],
    "additionalProperties": False,
}
_RANGE = {
    "type": "object",
    "properties": {"start": _POSITION, "end": _POSITION},
    "required": ["start", "end"],
    "additionalProperties": False,
}
LSP_DIAGNOSTIC = {
    "type": "object",
    "properties": {
        "range": _RANGE,
        "severity": {"enum": [1, 2, 3, 4]},
        "code": {"type": ["integer", "string"]},
        "codeDescription": {"type": "object"},
        "source": {"type": "string"},
        "message": {"type": "string", "minLength": 1},
        "tags": {"type": "array"},
        "relatedInformation": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "location": {
                        "type": "object",
                        "properties": {"uri": {"type": "string"}, "range": _RANGE},
                        "required": ["uri", "range"],
                        "additionalProperties": False,
                    },
                    "message": {"type": "string"},
                },
                "required": ["location", "message"],
                "additionalProperties": False,
            },
        },
        "data": {},
    },
    "required": ["range", "message"],
    "additionalProperties": False,
}
"""`Diagnostic` of the Language Server Protocol 3.17, transcribed from its specification."""


def offset_of(source: SourceFile, position: dict[str, int]) -> int:
    """The offset of an LSP position: its line, and UTF-16 units within."""
    units = source.line_text(position["line"]).encode("utf-16-le", "surrogatepass")
    before = units[: 2 * position["character"]].decode("utf-16-le", "surrogatepass")
    return source.line_span(position["line"]).start + len(before)


def span_of(source: SourceFile, where: dict[str, dict[str, int]]) -> Span:
    return Span(offset_of(source, where["start"]), offset_of(source, where["end"]))


@pytest.mark.parametrize("code", CODES)
def test_json_is_an_lsp_diagnostic(code: str) -> None:
    """It has the protocol's shape, and ranges and edits mean the same places."""
    source, findings = findings_in(example_of(code))
    document = json.loads(json.dumps(report([(source, findings)])))
    assert document["schema_version"] == 1
    (file,) = document["files"]
    *_, found = file["diagnostics"]
    jsonschema.validate(found, LSP_DIAGNOSTIC)
    assert (found["code"], found["source"]) == (code, "anetc")
    finding = findings[-1]
    assert span_of(source, found["range"]) == finding.span
    data = found.get("data", {})
    assert data.get("help", "") == finding.help
    if finding.fix is not None:
        (fix,) = data["fixes"]
        edits = tuple(
            Edit(
                Span(*(offset_of(source, edit["range"][e]) for e in ("start", "end"))),
                edit["newText"],
            )
            for edit in fix["edits"]
        )
        assert edits == finding.fix.edits


def test_json_counts_utf16_units() -> None:
    text = "# 😀\nanet 1 😀 # 😀é幅"
    source, (finding, *_) = findings_in(text)
    ranges = report([(source, [finding])])["files"][0]["diagnostics"][0]["range"]
    assert ranges == {"start": {"line": 1, "character": 7}, "end": {"line": 1, "character": 9}}
    for offset in range(len(text) + 1):
        position = source.position(offset)
        line_start = source.line_span(position.line).start
        assert position.utf16 == len(text[line_start:offset].encode("utf-16-le")) // 2


def test_json_of_names_that_are_no_paths(tmp_path: Path) -> None:
    """Standard input has an `untitled:` URI; odd names are escaped."""
    odd = tmp_path / "a b#?\n\udcff.anet"
    documents = report([(SourceFile("<stdin>", ""), []), (SourceFile(str(odd), ""), [])])
    uris = [file["uri"] for file in documents["files"]]
    assert uris[0] == "untitled:stdin"
    assert uris[1] == tmp_path.as_uri() + "/a%20b%23%3F%0A%FF.anet"
    assert json.loads(json.dumps(documents)) == documents


def test_fix_and_label_of_a_finding_are_in_the_json() -> None:
    source = SourceFile("x.anet", "ab\ncd\n")
    fix = Fix("turn round", (Edit(Span(0, 1), "é"), Edit(Span(3, 5), "")))
    finding = Diagnostic("A101", "m", Span(3, 4), labels=(Label(Span(0, 2), "l"),), fix=fix)
    (found,) = report([(source, [finding])])["files"][0]["diagnostics"]
    jsonschema.validate(found, LSP_DIAGNOSTIC)
    related = found["relatedInformation"][0]
    assert (related["message"], related["location"]["range"]["end"]["character"]) == ("l", 2)
    assert [edit["newText"] for edit in found["data"]["fixes"][0]["edits"]] == ["é", ""]
