"""Texts with mistakes, and functions that return their findings."""

from __future__ import annotations

from anetdsl.checking import check_file
from anetdsl.codes import CODES
from anetdsl.diagnostics import Diagnostic
from anetdsl.source import Edit, SourceFile
from anetdsl.vocabulary import MAX_FILE_BYTES, MAX_FINDINGS, MAX_NODES

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
"""A text without findings."""

TOO_LARGE = "#" * (MAX_FILE_BYTES + 1)
TOO_MANY_NODES = (
    HEAD
    + STEM
    + "".join(f"node n{i} level=1 C=1 r=1 stride=1 inputs=[s0]\n" for i in range(1, MAX_NODES + 1))
    + "sink inputs=[n1] classes=10\n# anetc: allow A601, A602, A603\n"
)
TOO_MANY_FINDINGS = "# anetc: allow A999\n" * MAX_FINDINGS + GOOD
SPECIAL_EXAMPLES = {"A110": TOO_LARGE, "A205": TOO_MANY_NODES, "A608": TOO_MANY_FINDINGS}
"""Examples of codes that are too long for `anetdsl.codes`."""


def example_of(code: str) -> str:
    """Return a text with the finding of a code."""
    return SPECIAL_EXAMPLES.get(code) or CODES[code].example


def findings_in(text: str) -> tuple[SourceFile, tuple[Diagnostic, ...]]:
    """Check a text as the content of a file; a surrogate is written as a byte that is not UTF-8."""
    data = text.encode("utf-8", "surrogateescape")
    checked = check_file("example.anet", data=data)
    return checked.source, checked.diagnostics


def codes_of(text: str) -> list[str]:
    """Return the codes of a text's findings, in order."""
    return [finding.code for finding in findings_in(text)[1]]


def edited(text: str, edits: tuple[Edit, ...]) -> str:
    """Return a text after edits that do not overlap."""
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text
