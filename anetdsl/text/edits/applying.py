"""Apply edits to a text, and invert them."""

from __future__ import annotations

from collections.abc import Iterable

from anetdsl.source import Edit, Span


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Return the text after all edits. Their spans refer to the text before the edits.

    The order of the edits does not matter, except that several insertions at one place keep their
    order. Raises ValueError if two edits overlap, or if an edit is outside of the text.
    """
    parts: list[str] = []
    end = 0
    for edit in _in_order(text, edits):
        parts.append(text[end : edit.span.start])
        parts.append(edit.text)
        end = edit.span.end
    return "".join([*parts, text[end:]])


def invert(text: str, edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Return the edits that change the new text back to the old one.

    `apply(apply(text, edits), invert(text, edits)) == text`. Raises ValueError as `apply` does.
    """
    inverse: list[Edit] = []
    growth = 0
    for edit in _in_order(text, edits):
        start = edit.span.start + growth
        old = text[edit.span.start : edit.span.end]
        inverse.append(Edit(Span(start, start + len(edit.text)), old))
        growth += len(edit.text) - len(old)
    return tuple(inverse)


def _in_order(text: str, edits: Iterable[Edit]) -> list[Edit]:
    ordered = sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))
    end = 0
    for edit in ordered:
        if not 0 <= edit.span.start <= edit.span.end <= len(text):
            raise ValueError(
                f"edit of characters {edit.span.start} to {edit.span.end} of a text of {len(text)}"
            )
        if edit.span.start < end:
            raise ValueError(f"two edits overlap at character {edit.span.start}")
        end = edit.span.end
    return ordered
