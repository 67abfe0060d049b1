"""Findings as text: places, carets, labels, safe characters."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs
import pytest

from anetdsl.checking import check_source
from anetdsl.diagnostics import Diagnostic, Label, Severity
from anetdsl.rendering.findings import render_concise, render_text, summary
from anetdsl.rendering.lsp import report
from anetdsl.source import SourceFile, Span
from anetdsl.terminal import columns, visible
from tests.mistakes import GOOD, HEAD, findings_in


def rendered(text: str, *places: tuple[Span, str], name: str = "x.anet", **fields: Any) -> str:
    """Render a finding at the first place with labels at the others; return all but line 1."""
    (span, note), *labels = places
    finding = Diagnostic(
        "A101", "message", span, note=note, labels=tuple(Label(*p) for p in labels), **fields
    )
    return render_text(SourceFile(name, text), [finding]).split("\n", 1)[1]


def at(text: str, part: str, note: str = "") -> tuple[Span, str]:
    """Return the span of a part of a text, with a note."""
    start = text.index(part)
    return Span(start, start + len(part)), note


def test_labels_on_the_same_line() -> None:
    text = "aa bb cc\n"
    assert rendered(
        text, at(text, "bb", "note"), at(text, "aa", "left"), at(text, "cc", "right")
    ) == (" --> x.anet:1:4\n  |\n1 | aa bb cc\n  | -- left\n  |    ^^ note\n  |       -- right\n\n")


def test_labels_on_other_lines_widen_the_gutter() -> None:
    """Lines between the marks are left out, except between neighbouring lines."""
    text = "first\nsecond\n" + "\n" * 6 + "ninth\ntenth\n"
    assert rendered(text, at(text, "tenth"), at(text, "first", "a"), at(text, "ninth", "b")) == (
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


def test_help_is_last() -> None:
    text = "abc"
    assert rendered(text, at(text, "b"), help="do this") == (
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
def test_carets_are_below_the_place(text: str, part: str, line: str, carets: str) -> None:
    """Also after tabs, wide, combining and control characters."""
    lines = rendered(text, at(text, part)).split("\n")
    assert lines[2] == f"1 | {line}"
    assert lines[3] == f"  | {carets}"


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\r\b\x00"


def test_control_characters_are_replaced() -> None:
    """Escape sequences in texts, names and messages do not reach the terminal."""
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
def test_columns_is_the_width_of_visible_text(text: str, line: str) -> None:
    assert visible(text) == line
    assert columns(text) == len(line.replace("\u0300", ""))


def test_long_lines_are_cut_around_the_places() -> None:
    """Each mark is below its place, with a part of the line around it."""
    text = "aa" + " " * 200 + "bb" + " " * 5000 + "cc\n"
    output = rendered(text, at(text, "bb", "here"), at(text, "aa", "first"), at(text, "cc", "last"))
    lines = output.split("\n")
    assert max(map(len, lines)) < 140
    for sign, part, words in (("-", "aa", "first"), ("^", "bb", "here"), ("-", "cc", "last")):
        (index,) = [i for i, line in enumerate(lines) if line.endswith(f"{sign * 2} {words}")]
        column = lines[index].index(sign * 2)
        assert lines[index - 1][column : column + 2] == part
    assert [line[4:7] for line in lines if line.startswith("1 |")] == ["aa ", "...", "..."]
    assert [line[-3:] for line in lines if line.startswith("1 |")] == ["...", "...", " cc"]


def test_very_long_span_is_cut() -> None:
    text = "x" * 1_000_000
    output = rendered(text, (Span(0, len(text)), "all"))
    assert len(output) < 500
    assert output.count("^") == 120


def test_span_of_several_lines_is_marked_on_the_first() -> None:
    text = "inputs=[\n  a,\n  b\n]\n"
    assert rendered(text, (Span(7, len(text) - 1), "")).split("\n")[2:5] == [
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
def test_places_at_line_ends(text: str, offset: int, place: str, line: str, carets: str) -> None:
    """Also the end of the file, in an empty file, and with every kind of line end."""
    lines = rendered(text, (Span(offset, offset), "")).split("\n")
    assert lines[0].endswith(f"x.anet:{place}")
    assert lines[2:4] == [line, carets]


def test_output_does_not_depend_on_line_ends() -> None:
    broken = GOOD.replace("C=256", "C=x").replace("inputs=[a3]", "inputs=[a9]")
    expected = render_text(*findings_in(broken))
    for newline in ("\r\n", "\r"):
        assert render_text(*findings_in(broken.replace("\n", newline))) == expected


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


def test_messages_with_very_long_names_are_short() -> None:
    name = "x" * 200_000
    text = f"{HEAD}node {name} level=0 C=1 r=1 stride=4 inputs=[{name}]\nnode {name} {name}=1"
    source, findings = findings_in(text)
    assert findings
    assert len(render_text(source, findings)) < 1500 * len(findings)
    assert len(json.dumps(report([(source, findings)]))) < 3000 * len(findings)
