"""Formatting of a whole text or of a part, as edits of the lines that change."""

from __future__ import annotations

import difflib
import itertools

from anetdsl.errors import AnetError
from anetdsl.language_server.analysis import Analysis
from anetdsl.source import LINE_END, Edit, SourceFile, Span
from anetdsl.syntax.comments import comments_of
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply
from anetdsl.text.formatting import format_source

_MOST_LINES = 2000
"""Number of lines above which a text is replaced as a whole: comparing them would take seconds."""


def format_edits(analysis: Analysis) -> tuple[Edit, ...]:
    """Return the edits that bring a text into the canonical layout; none with syntax errors."""
    formatted = _formatted(analysis)
    return () if formatted is None else line_edits(analysis.text, formatted)


def format_range(analysis: Analysis, span: Span) -> tuple[Edit, ...]:
    """Return the edits that bring the statements at a span into the canonical layout.

    They look as in the text that is formatted as a whole, whose columns depend on all statements.
    Whole lines are formatted.
    """
    formatted = _formatted(analysis)
    old = analysis.tree
    if formatted is None:
        return ()
    new = parse_syntax(SourceFile(analysis.source.name, formatted))
    touched = [
        index
        for index, statement in enumerate(old.statements)
        if statement.span.start <= span.end and span.start <= statement.span.end
    ]
    if not touched:
        return ()
    first, last = touched[0], touched[-1]
    while first and _share_line(old, first - 1):
        first -= 1
    while last + 1 < len(old.statements) and _share_line(old, last):
        last += 1
    before, after = (_lines_of_statements(tree, first, last) for tree in (old, new))
    text = formatted[after.start : after.end]
    edits = tuple(
        Edit(Span(edit.span.start + before.start, edit.span.end + before.start), edit.text)
        for edit in line_edits(analysis.text[before.start : before.end], text)
    )
    changed = parse_syntax(SourceFile(analysis.source.name, apply(analysis.text, edits)))
    # Only edits that change nothing but the layout are offered.
    is_same = _content(changed) == _content(new) and not changed.diagnostics
    return edits if is_same else line_edits(analysis.text, formatted)


def _formatted(analysis: Analysis) -> str | None:
    if analysis.tree.diagnostics:
        return None
    try:
        return format_source(analysis.source)
    except AnetError:  # The text is too large.
        return None


def _share_line(tree: SyntaxTree, index: int) -> bool:
    """Return whether a statement ends on the line where the next one starts."""
    end, start = tree.statements[index].span.end, tree.statements[index + 1].span.start
    return LINE_END.search(tree.source.text, end, start) is None


def _lines_of_statements(tree: SyntaxTree, first: int, last: int) -> Span:
    """Return the lines of statements, without the last line end."""
    source = tree.source
    start = source.position(tree.statements[first].span.start).line
    end = source.position(tree.statements[last].span.end).line
    return source.line_span(start).to(source.line_span(end))


def _content(tree: SyntaxTree) -> object:
    """Return the words and comments of a text, without its layout."""
    statements = [
        (s.keyword.text, s.name and s.name.text, sorted(a.name.text for a in s.attributes))
        for s in tree.statements
    ]
    words = [
        sorted(
            str(t)
            for t in tree.tokens
            if s.span.start <= (t.start_pos or 0) < s.span.end
            and t.type not in ("WHITESPACE", "COMMENT", "COMMA")
        )
        for s in tree.statements
    ]
    return statements, words, [comment.text for comment in comments_of(tree)]


def line_edits(old: str, new: str) -> tuple[Edit, ...]:
    """Return the edits of whole lines that change one text into another."""
    if old == new:
        return ()
    before, after = _lines(old), _lines(new)
    if max(len(before), len(after)) > _MOST_LINES:
        return (Edit(Span(0, len(old)), new),)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return tuple(
        Edit(Span(starts[i1], starts[i2]), "".join(after[j1:j2]))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    )


def _lines(text: str) -> list[str]:
    """Return the lines with their ends."""
    ends = [match.end() for match in LINE_END.finditer(text)]
    bounds = [0, *ends, *([len(text)] if not ends or ends[-1] < len(text) else [])]
    return [text[start:end] for start, end in itertools.pairwise(bounds)]
