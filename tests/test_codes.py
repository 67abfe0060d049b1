"""Every code has an example with a golden output, and the fixes correct their findings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from anetdsl.codes import CODES, WARNINGS
from anetdsl.rendering.findings import render_text
from anetdsl.vocabulary import MAX_FINDINGS
from tests.mistakes import GOOD, codes_of, edited, example_of, findings_in

GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize("code", CODES)
def test_example_of_each_code_has_golden_output(
    code: str, golden: Callable[[str, str], None]
) -> None:
    """A code's example has this finding alone; the golden file has the output for the user."""
    example = example_of(code)
    source, findings = findings_in(example)
    if code == "A608":
        assert {finding.code for finding in findings[:MAX_FINDINGS]} == {"A607"}
        findings = findings[MAX_FINDINGS:]
    assert [finding.code for finding in findings] == [code]
    assert findings[0].severity is CODES[code].severity
    output = render_text(source, findings)
    lines = example.encode("utf-8", "surrogateescape").splitlines(keepends=True)
    if len(lines) > 30 or len(example) > 5000:
        content = f"({len(lines):,} lines, {len(example):,} characters)\n"
    else:
        content = b"".join(lines).decode("utf-8", "surrogateescape")
    golden(f"diagnostics/{code}.txt", f"{content}\n$ anetc check example.anet\n{output}")


def test_every_golden_file_belongs_to_a_code() -> None:
    files = {path.stem for path in (GOLDEN / "diagnostics").glob("*.txt")}
    assert files == set(CODES)


def test_codes_are_sorted_and_titles_unique() -> None:
    assert list(CODES) == sorted(CODES)
    assert all(re.fullmatch(r"A[1-6]\d\d", code) for code in CODES)
    assert {code for code in CODES if code.startswith("A6")} == WARNINGS
    titles = [code.title for code in CODES.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("code", CODES)
def test_fix_of_an_example_gives_a_clean_text(code: str) -> None:
    """Applying the edits of a fix to the example leaves no finding."""
    example = example_of(code)
    source, findings = findings_in(example)
    if findings[0].fix is not None:
        assert codes_of(edited(source.text, findings[0].fix.edits)) == []


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
def test_fix_of_one_mistake_gives_a_clean_text(old: str, new: str) -> None:
    """Each change causes one finding, whose fix gives a text without findings."""
    text = GOOD.replace(old, new, 1)
    findings = findings_in(text)[1]
    assert len(findings) == 1
    assert findings[0].fix is not None
    assert codes_of(edited(text, findings[0].fix.edits)) == []


def test_fix_uses_the_line_ends_of_the_file() -> None:
    text = GOOD.replace("anet 1\n", "").replace("\n", "\r\n")
    (finding,) = findings_in(text)[1]
    assert finding.fix is not None
    assert edited(text, finding.fix.edits) == "anet 1\r\n" + text
