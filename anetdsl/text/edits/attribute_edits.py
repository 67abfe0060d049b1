"""Attributes of a statement set, added and removed."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping, Sequence

import attrs

from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import AttributeNode, ListValue, StatementNode, SyntaxTree
from anetdsl.text.edits.list_edits import set_items
from anetdsl.text.edits.sequences import (
    Thing,
    comment_behind,
    cuts,
    has_line_end,
    indentation,
    is_vertical,
    next_token,
    starts_word,
    token_span,
    tokens_within,
)
from anetdsl.text.layout import GAP, INDENT
from anetdsl.vocabulary import ROW_STATEMENTS, STATEMENTS

Text = str | Sequence[str]
"""A value as it is written; of a list its items."""


def set_attribute(
    tree: SyntaxTree, statement: StatementNode, name: str, value: Text
) -> tuple[Edit, ...]:
    """Edits that give an attribute a value; an absent one is added in its canonical place."""
    return set_attributes(tree, statement, {name: value})


def remove_attribute(tree: SyntaxTree, statement: StatementNode, name: str) -> tuple[Edit, ...]:
    """Edits that take an attribute away, with the comment behind it; none where it is absent."""
    return set_attributes(tree, statement, {name: None})


def set_attributes(
    tree: SyntaxTree, statement: StatementNode, values: Mapping[str, Text | None]
) -> tuple[Edit, ...]:
    """Edits that set several attributes of a statement, and remove those whose value is None.

    Of an attribute that is given twice, which is an error, the first is set; both are removed.
    """
    return tuple(_changes(tree, statement, values))


def _changes(
    tree: SyntaxTree, statement: StatementNode, values: Mapping[str, Text | None]
) -> Iterator[Edit]:
    present = {attribute.name.text for attribute in statement.attributes}
    removed = {name for name, value in values.items() if value is None} & present
    added = {
        name: value for name, value in values.items() if value is not None and name not in present
    }
    moves: list[Edit] = []
    if removed or added:
        layout = _Layout.of(tree, statement)
        moves = [*layout.remove(removed), *layout.add(added, removed)]
    yield from moves
    for name, text in values.items():
        attribute = statement.attribute(name)
        if attribute is not None and text is not None:
            yield from _set_value(tree, attribute, text)
            if not any(move.span.start == attribute.span.end for move in moves):
                yield from _keep_column(tree, statement, attribute, text)


def _set_value(tree: SyntaxTree, attribute: AttributeNode, text: Text) -> Iterator[Edit]:
    value = attribute.value
    if value is None:
        raise ValueError(f"`{attribute.name.text}` has a syntax error")
    if isinstance(text, str):
        old = tree.source.text[value.span.start : value.span.end]
        if text != old:
            space = " " if starts_word(tree.source.text, value.span.end) else ""
            yield Edit(value.span, text + space)
    elif isinstance(value, ListValue):
        yield from set_items(tree, value, text)
    else:
        yield Edit(value.span, written(text))


def written(value: Text) -> str:
    """A value as it stands in a text."""
    return value if isinstance(value, str) else f"[{', '.join(value)}]"


def _keep_column(
    tree: SyntaxTree, statement: StatementNode, attribute: AttributeNode, text: Text
) -> Iterator[Edit]:
    in_table = statement.keyword.text in ROW_STATEMENTS
    if in_table and attribute.value is not None and isinstance(text, str):
        length = attribute.value.span.end - attribute.value.span.start
        yield from keep_column(tree, attribute.span.end, len(text) - length)


def keep_column(tree: SyntaxTree, end: int, growth: int) -> Iterator[Edit]:
    """The edit that keeps a table's next column in place, where what ends at `end` has grown."""
    text = tree.source.text
    start, is_comment = next_token(tree, end)
    gap = text[end:start]
    if is_comment or start == len(text) or len(gap) < len(GAP) or gap.strip(" ") or not growth:
        return
    wanted = max(len(GAP), len(gap) - growth)
    if wanted > len(gap):
        yield Edit(Span(end, end), " " * (wanted - len(gap)))
    elif wanted < len(gap):
        yield Edit(Span(end + wanted, start), "")


def gap_of(text: str, statement: StatementNode) -> str:
    """What separates the attributes of a statement: two spaces where it is set as in a table."""
    head = statement.name or statement.version or statement.keyword
    spans = [head.span, *(attribute.span for attribute in statement.attributes)]
    gaps = [text[left.end : right.start] for left, right in itertools.pairwise(spans)]
    single = bool(gaps) and all(gap in ("", " ") for gap in gaps)
    return " " if single else GAP


@attrs.frozen
class _Layout:
    """How a statement is set: its keyword, name, attributes and comment lines in order."""

    tree: SyntaxTree
    statement: StatementNode
    things: tuple[Thing, ...]
    places: tuple[int, ...]
    """Of each attribute, which of the things it is."""

    @classmethod
    def of(cls, tree: SyntaxTree, statement: StatementNode) -> _Layout:
        """The layout of a statement."""
        text = tree.source.text
        head = statement.name or statement.version or statement.keyword
        things = [Thing(statement.keyword.span.to(head.span))]
        places: list[int] = []
        waiting = list(statement.attributes)
        for token in tokens_within(tree, statement.span):
            span = token_span(token)
            if waiting and span.start == waiting[0].span.start:
                places.append(len(things))
                things.append(Thing(waiting.pop(0).span))
            elif token.type == "COMMENT" and span.start >= things[-1].span.end:
                last = things[-1]
                if last.ends_in_comment or has_line_end(text, last.span.end, span.start):
                    things.append(Thing(span, ends_in_comment=True))
                else:
                    things[-1] = last.with_comment(span)
        comment = comment_behind(tree, statement.span.end)
        if comment and places and _starts_line(text, things):
            things[-1] = things[-1].with_comment(comment)
        return cls(tree, statement, tuple(things), tuple(places))

    def remove(self, names: Container[str]) -> Iterator[Edit]:
        """Edits that take the attributes of these names away."""
        removed = {place for place, name in self._named_places() if name in names}
        end, _ = next_token(self.tree, self.things[-1].span.end)
        yield from cuts(self.tree.source.text, self.things, removed, self.things[0].span.end, end)

    def add(self, values: Mapping[str, Text], removed: Container[str]) -> Iterator[Edit]:
        """Edits that add attributes, each behind those that canonically come before it."""
        known = STATEMENTS[self.statement.keyword.text].attributes
        ranks = {attribute.name: rank for rank, attribute in enumerate(known)}
        for name in sorted(values, key=lambda name: ranks.get(name, len(ranks))):
            rank = ranks.get(name, len(ranks))
            earlier = [
                place
                for place, other in self._named_places()
                if other not in removed and ranks.get(other, len(ranks)) <= rank
            ]
            thing = self.things[max(earlier, default=0)]
            gap = self._line_gap if thing.ends_in_comment or self._is_vertical else self._gap
            space = " " if starts_word(self.tree.source.text, thing.span.end) else ""
            text = f"{gap}{name}={written(values[name])}{space}"
            yield Edit(Span(thing.span.end, thing.span.end), text)

    def _named_places(self) -> Iterator[tuple[int, str]]:
        return zip(self.places, (attribute.name.text for attribute in self.statement.attributes))

    @property
    def _gap(self) -> str:
        return gap_of(self.tree.source.text, self.statement)

    @property
    def _is_vertical(self) -> bool:
        return is_vertical(self.tree.source.text, self.things, self.places, self.things[0].span.end)

    @property
    def _line_gap(self) -> str:
        """What stands between attributes that have a line each."""
        source = self.tree.source
        starts = (self.things[place].span.start for place in self.places)
        indents = (indentation(source.text, start) for start in starts)
        return source.newline + next(filter(None, indents), INDENT)


def _starts_line(text: str, things: Sequence[Thing]) -> bool:
    """Whether the last of several things starts a line."""
    return len(things) > 1 and has_line_end(text, things[-2].span.end, things[-1].span.start)
