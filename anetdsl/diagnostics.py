"""Diagnostics: what is wrong with a text, where, and what to do about it.

A mistake in a text is reported as a value of this module, not as an exception. Every kind of
finding has one entry in `anetdsl.codes.CODES`, from which docs/errors.md and the output of
`anetc explain` are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import attrs

from anetdsl.source import Edit, Span

_LONGEST_TEXT = 500


class Severity(Enum):
    """Severity of a finding. The values are those of the Language Server Protocol."""

    ERROR = 1
    WARNING = 2


def _short(text: str) -> str:
    """Cut a text, which may contain names of any length, to a readable length."""
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "..."


@attrs.frozen
class Label:
    """A second place that a diagnostic refers to, such as "first defined here"."""

    span: Span
    text: str = attrs.field(converter=_short)


@attrs.frozen
class Fix:
    """Edits that correct a finding, and a short title for them."""

    title: str
    edits: tuple[Edit, ...]


@attrs.frozen
class Diagnostic:
    """One finding: its stable code, its message, its exact place, and optional help."""

    code: str
    message: str = attrs.field(converter=_short)
    span: Span
    severity: Severity = Severity.ERROR
    note: str = ""
    """Short text after the carets."""
    labels: tuple[Label, ...] = ()
    help: str = attrs.field(default="", converter=_short)
    fix: Fix | None = None

    @property
    def is_error(self) -> bool:
        """True if the network cannot be used with this finding."""
        return self.severity is Severity.ERROR


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the findings in reading order, without duplicates."""
    return tuple(
        dict.fromkeys(sorted(diagnostics, key=lambda d: (d.span.start, d.span.end, d.code)))
    )


def did_you_mean(word: str, valid: Iterable[str]) -> str | None:
    """Return the valid word that was probably meant, or None.

    A word must be close enough to be a typing error, such as `lvel` for `level`.
    """
    choices = [choice for choice in dict.fromkeys(valid) if len(choice) <= _LONGEST_TEXT]
    by_case = {choice.lower(): choice for choice in choices}
    if word.lower() in by_case:
        return by_case[word.lower()]
    import difflib  # Needed only for a text with mistakes.

    cutoff = 0.75 if len(word) > 3 else 0.6
    close = difflib.get_close_matches(word[:80], choices[:2000], n=1, cutoff=cutoff)
    return close[0] if close else None
