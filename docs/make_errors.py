"""Write docs/errors.md: a section for every code, made from `anetdsl.codes`. Run by `make docs`."""

from __future__ import annotations

import textwrap
from pathlib import Path

from anetdsl.checking import check_file
from anetdsl.codes import CODES, Code
from anetdsl.diagnostics import Severity
from anetdsl.files import write_atomically
from anetdsl.rendering.findings import render_text

PAGE = Path(__file__).with_name("errors.md")
FILE_NAME = "example.anet"
_FAMILIES = {
    "A1": "The text itself: characters, words, signs",
    "A2": "Statements of a file",
    "A3": "Names",
    "A4": "Attributes, values and weights",
    "A5": "The network as a whole",
    "A6": "Warnings",
}
_INTRODUCTION = """\
# Findings and their codes

<!-- Made by docs/make_errors.py from anetdsl/codes.py; `make docs` writes it anew. -->

Everything that `anetc check` can find has a code. A code keeps its meaning for ever; one that is
no longer needed is retired, not reused. `anetc explain CODE` prints the same texts.

An **error** means that the network cannot be used. A **warning** means that it can, and probably
is not what was meant. Both make `anetc check` exit with 1. A warning is turned off for one file
by a comment in it, `# anetc: allow CODE`, and for one run by `--allow CODE`; an error cannot be
turned off. With `--search` some warnings are errors: they say so below.

| Code | Severity | What it is about |
| --- | --- | --- |
"""


def errors_page() -> str:
    """The page as Markdown."""
    parts = [_INTRODUCTION, *map(_index_row, CODES.values())]
    for family, title in _FAMILIES.items():
        codes = [entry for code, entry in CODES.items() if code.startswith(family)]
        parts.append(f"\n## {title}\n")
        parts.extend(map(_section, codes))
    return "".join(parts)


def _index_row(entry: Code) -> str:
    kind = "error" if entry.severity is Severity.ERROR else "warning"
    return f"| [{entry.code}](#{entry.code}) | {kind} | {entry.title} |\n"


def _section(entry: Code) -> str:
    # The anchor is the bare code, so that a link outlives a better title.
    heading = f'\n<a id="{entry.code}"></a>\n\n### {entry.code}: {entry.title}\n'
    text = textwrap.fill(f"{_severity(entry)} {entry.text}", 120, break_on_hyphens=False)
    return f"{heading}\n{text}\n{_example(entry)}"


def _severity(entry: Code) -> str:
    if entry.severity is Severity.ERROR:
        return "**Error.**"
    return "**Warning; an error for the search.**" if entry.for_search else "**Warning.**"


def _example(entry: Code) -> str:
    """The code's example and what `anetc check` says of it."""
    if not entry.example:
        return "\nAn example would not fit on this page.\n"
    data = entry.example.encode("utf-8", "surrogateescape")
    checked = check_file(FILE_NAME, data=data)
    findings = ",".join(finding.code for finding in checked.diagnostics)
    try:
        text, fence = data.decode("utf-8"), f"anet error={findings}"
    except UnicodeDecodeError:
        text, fence = data.decode("utf-8", "replace"), "text"
    rendered = render_text(checked.source, checked.diagnostics).rstrip()
    return f"\n```{fence}\n{text}```\n\n```text\n{rendered}\n```\n"


if __name__ == "__main__":
    write_atomically(PAGE, errors_page())
