"""Format a text in the canonical layout: one statement per line, aligned columns, all comments.

The layout depends on the syntax only, so any text that can be parsed can be formatted, even if its
network has errors. Kept are the order of statements, the notation of numbers and strings, single
blank lines, and the file's line ends. Attributes are put in the vocabulary's order. A comment at
the end of a line belongs to the text before it. A comment on its own line between attributes
belongs to the attribute below it.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from anetdsl.checking import size_finding
from anetdsl.errors import AnetError
from anetdsl.source import LINE_END, SourceFile, Span
from anetdsl.syntax.comments import PlacedComment, comments_of
from anetdsl.syntax.nodes import AttributeNode, ListItem, ListValue, StatementNode, SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.layout import Cell, Comment, Item, Line, Row, render
from anetdsl.vocabulary import ROW_STATEMENTS, STATEMENTS


class FormatterBug(Exception):
    """The formatter's result is not the same text in another layout: a bug in the formatter."""


def format_source(source: SourceFile, *, verify: bool = True) -> str:
    """Return the text in canonical layout.

    Raises AnetError with all findings if the text has syntax errors. With `verify` the result is
    parsed again; raises FormatterBug if it does not have the same statements and comments.
    """
    tree = parse_syntax(source)
    findings = (*filter(None, [size_finding(source)]), *tree.diagnostics)
    if findings:
        from anetdsl.rendering.findings import render_text  # imported only if needed

        raise AnetError(render_text(source, findings).rstrip(), findings)
    formatted = _format(tree)
    if verify:
        _verify(tree, formatted)
    return formatted


def _format(tree: SyntaxTree) -> str:
    return render(_lines(tree), tree.source.newline)


# Lines


def _lines(tree: SyntaxTree) -> list[Line]:
    """Return the statements as rows, with the comments and single blank lines between them."""
    text = tree.source.text
    comments = list(comments_of(tree))
    starts = [placed.start for placed in comments]
    lines: list[Line] = []
    done = 0
    end = 0

    def add(line: Line, span: Span) -> None:
        nonlocal end
        if lines and len(LINE_END.findall(text, end, span.start)) > 1:
            lines.append(None)
        lines.append(line)
        end = span.end

    next_starts = [*(statement.span.start for statement in tree.statements[1:]), len(text)]
    for statement, next_start in zip(tree.statements, next_starts):
        first = bisect.bisect_left(starts, statement.span.start)
        for placed in comments[done:first]:
            add(Comment(placed.text), placed.span)
        done = bisect.bisect_left(starts, statement.span.end)
        within, span, trailing = comments[first:done], statement.span, ""
        after = comments[done] if done < len(comments) and starts[done] < next_start else None
        if after is not None and not after.own_line:
            trailing, span = after.text, span.to(after.span)
            done += 1
        add(_row(statement, within, trailing, text), span)
    for placed in comments[done:]:
        add(Comment(placed.text), placed.span)
    return lines


# Rows


@attrs.define
class _Piece:
    """A keyword, a name or an attribute of a statement, with the comments that belong to it."""

    key: str
    text: str
    span: Span
    rank: int
    items: ListValue | None = None
    before: list[str] = attrs.Factory(list)
    within: list[PlacedComment] = attrs.Factory(list)
    after: str = ""

    def cell(self) -> Cell:
        """Return the piece as a cell for `anetdsl.text.layout`."""
        before, after = tuple(self.before), self.after
        if self.items is None:
            return Cell(self.key, self.text, before=before, after=after)
        lead, items = _items(self.items.items, self.within)
        return Cell(self.key, self.text, items, before, lead, after)


def _row(
    statement: StatementNode, comments: Sequence[PlacedComment], trailing: str, text: str
) -> Row:
    """Return a statement as a row; `trailing` is the comment after it."""
    pieces = list(_pieces(statement))
    _assign_comments(comments, pieces)
    ordered = sorted(pieces, key=lambda piece: piece.rank)
    last_written, last = pieces[-1], ordered[-1]
    # A comment after the statement belongs to the statement. But it belongs to the last attribute
    # if this attribute is alone on its line, or if the new line already ends with a comment.
    alone = len(pieces) > 1 and LINE_END.search(text, pieces[-2].span.end, last_written.span.start)
    if trailing and (alone or last.after):
        last_written.after, trailing = trailing, ""
    if last.after:
        trailing, last.after = last.after, ""
    keyword = statement.keyword.text
    group = keyword if keyword in ROW_STATEMENTS else None
    return Row(tuple(piece.cell() for piece in ordered), group, trailing)


def _pieces(statement: StatementNode) -> Iterator[_Piece]:
    keyword = statement.keyword.text
    yield _Piece("keyword", keyword, statement.keyword.span, -2)
    head = statement.name or statement.version
    if head is not None:
        yield _Piece("name", head.text, head.span, -1)
    known = enumerate(STATEMENTS[keyword].attributes)
    ranks = {name: rank for rank, a in known for name in (a.name, a.old_name)}
    for attribute in statement.attributes:
        name, value = attribute.name.text, attribute.value
        rank = ranks.get(name, len(ranks))
        if isinstance(value, ListValue):
            yield _Piece(f"{name}=", f"{name}=", attribute.span, rank, value)
        elif value is not None:
            yield _Piece(f"{name}=", f"{name}={value.text}", attribute.span, rank)


def _assign_comments(comments: Sequence[PlacedComment], pieces: Sequence[_Piece]) -> None:
    """Assign each comment within a statement to the piece that it belongs to."""
    starts = [piece.span.start for piece in pieces]
    for placed in comments:
        index = bisect.bisect_left(starts, placed.start) - 1
        piece = pieces[index]
        if placed.start < piece.span.end:
            in_list = piece.items is not None and placed.start > piece.items.span.start
            if in_list:
                piece.within.append(placed)
            else:
                piece.before.append(placed.text)
        elif placed.own_line:
            pieces[index + 1].before.append(placed.text)
        else:
            piece.after = placed.text


def _items(
    items: Sequence[ListItem], comments: Sequence[PlacedComment]
) -> tuple[tuple[Comment, ...], tuple[Item, ...]]:
    """Return the comments before a list's first item, and the items with their comments."""
    starts = [item.span.start for item in items]
    shares: list[list[Comment]] = [[] for _ in range(len(items) + 1)]
    for placed in comments:
        shares[bisect.bisect_left(starts, placed.start)].append(
            Comment(placed.text, placed.own_line)
        )
    lead, *rest = map(tuple, shares)
    texts = map(_item_text, items)
    return lead, tuple(map(Item, texts, rest))


def _item_text(item: ListItem) -> str:
    return item.value.text if item.weight is None else f"{item.value.text}@{item.weight.text}"


# Verification


def _verify(before: SyntaxTree, formatted: str) -> None:
    """Raise FormatterBug unless `formatted` has equal meaning and comments, and is stable."""
    after = parse_syntax(SourceFile(before.source.name, formatted))
    for number, (old, new) in enumerate(
        itertools.zip_longest(map(_meaning, before.statements), map(_meaning, after.statements)), 1
    ):
        if old != new:
            raise FormatterBug(_bug(before, f"statement {number} was {old}, would be {new}"))
    if after.diagnostics:
        raise FormatterBug(_bug(before, after.diagnostics[0].message))
    changed = _comment_places(before) - _comment_places(after)
    changed += _comment_places(after) - _comment_places(before)
    if changed:
        (number, comment), _ = min(changed.items())
        raise FormatterBug(_bug(before, f"comment {comment!r} is no longer in statement {number}"))
    again = _format(after)
    if again != formatted:
        pairs = itertools.zip_longest(formatted.splitlines(), again.splitlines())
        line = next(number for number, (old, new) in enumerate(pairs, 1) if old != new)
        raise FormatterBug(
            _bug(before, f"line {line} of the result would change if formatted again")
        )


def _bug(tree: SyntaxTree, difference: str) -> str:
    return f"internal error: formatting would change {tree.source.name}: {difference}"


def _meaning(statement: StatementNode) -> object:
    """Return a statement's content without layout and order of attributes."""
    attributes = sorted(statement.attributes, key=lambda attribute: attribute.name.text)
    head = statement.name or statement.version
    return statement.keyword.text, head and head.text, tuple(map(_attribute_meaning, attributes))


def _attribute_meaning(attribute: AttributeNode) -> tuple[str, object]:
    value = attribute.value
    if isinstance(value, ListValue):
        return attribute.name.text, tuple(map(_item_text, value.items))
    return attribute.name.text, value and value.text


def _comment_places(tree: SyntaxTree) -> Counter[tuple[int, str]]:
    """Count each comment by the number of the statement that it follows or is in."""
    starts = [statement.span.start for statement in tree.statements]
    return Counter(
        (bisect.bisect_left(starts, placed.start), placed.text) for placed in comments_of(tree)
    )
