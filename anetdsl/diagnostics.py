"""Diagnostics: what is wrong with a text, where, and what to do about it.

A mistake of the user's is a value of this module, never an exception. Every kind of finding has one
entry in `CODES`; the pages of docs/errors.md and `anetc explain` are made from the same entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import attrs

from anetdsl.source import Edit, Span

_LONGEST_TEXT = 500


class Severity(Enum):
    """How bad a finding is. The values are those of the Language Server Protocol."""

    ERROR = 1
    WARNING = 2


def _short(text: str) -> str:
    """A text that may hold names of any length, cut to what a person reads."""
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "..."


@attrs.frozen
class Label:
    """A further place that matters to a diagnostic, such as "first defined here"."""

    span: Span
    text: str = attrs.field(converter=_short)


@attrs.frozen
class Fix:
    """Edits that mend a finding, and what they do in a few words."""

    title: str
    edits: tuple[Edit, ...]


@attrs.frozen
class Diagnostic:
    """One finding: its stable code, the exact place, and help where there is some."""

    code: str
    message: str = attrs.field(converter=_short)
    span: Span
    severity: Severity = Severity.ERROR
    note: str = ""
    """A few words beneath the carets."""
    labels: tuple[Label, ...] = ()
    help: str = attrs.field(default="", converter=_short)
    fix: Fix | None = None

    @property
    def is_error(self) -> bool:
        """Whether the network cannot be used as it is."""
        return self.severity is Severity.ERROR


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Findings in reading order; of equal ones only the first."""
    return tuple(
        dict.fromkeys(sorted(diagnostics, key=lambda d: (d.span.start, d.span.end, d.code)))
    )


def did_you_mean(word: str, valid: Iterable[str]) -> str | None:
    """The one valid word that was probably meant, or None.

    Only as close as a slip of the fingers: `lvel` for `level`, not any word that shares a letter.
    """
    choices = [choice for choice in dict.fromkeys(valid) if len(choice) <= _LONGEST_TEXT]
    by_case = {choice.lower(): choice for choice in choices}
    if word.lower() in by_case:
        return by_case[word.lower()]
    import difflib  # only a text with mistakes needs it

    cutoff = 0.75 if len(word) > 3 else 0.6
    close = difflib.get_close_matches(word[:80], choices[:2000], n=1, cutoff=cutoff)
    return close[0] if close else None
