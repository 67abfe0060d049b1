"""One golden file a code, and fixes that mend what was done."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from anetdsl.codes import CODES, WARNINGS
from anetdsl.rendering.findings import render_text
from anetdsl.vocabulary import MAX_FINDINGS
from tests.rules.cases import (
    GOOD,
    REPOSITORY,
    codes_of,
    edited,
    example_of,
    findings_in,
)


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
