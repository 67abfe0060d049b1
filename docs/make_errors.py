"""Write docs/errors.md from `anetdsl.codes`, with a section for every code. `make docs` runs it."""

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
    "A1": "Characters, words and signs",
    "A2": "Statements of a file",
    "A3": "Names",
    "A4": "Attributes, values and weights",
    "A5": "The whole network",
    "A6": "Warnings",
}
_INTRODUCTION = """\
# Findings and their codes

<!-- Written by docs/make_errors.py from anetdsl/codes.py; run `make docs` to update it. -->

Every finding of `anetc check` has a code. The meaning of a code never changes, and a code that is
no longer needed is not used again. `anetc explain CODE` prints the same texts.

After an **error** the network cannot be used. After a **warning** it can be used, but it is
probably not as intended. Both make `anetc check` exit with 1. The comment `# anetc: allow CODE`
turns a warning off for its file, and `--allow CODE` for one run; an error cannot be turned off.
With `--search` some warnings are errors, as noted below.

| Code | Severity | Title |
| --- | --- | --- |
"""


def errors_page() -> str:
    """Return the page as Markdown."""
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
    # The anchor is the code alone, so that links stay valid when a title changes.
    heading = f'\n<a id="{entry.code}"></a>\n\n### {entry.code}: {entry.title}\n'
    text = textwrap.fill(f"{_severity(entry)} {entry.text}", 120, break_on_hyphens=False)
    return f"{heading}\n{text}\n{_example(entry)}"


def _severity(entry: Code) -> str:
    if entry.severity is Severity.ERROR:
        return "**Error.**"
    return "**Warning; an error with `--search`.**" if entry.for_search else "**Warning.**"


def _example(entry: Code) -> str:
    """Return the example of a code, and the output of `anetc check` for it."""
    if not entry.example:
        return "\nAn example is too long for this page.\n"
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
