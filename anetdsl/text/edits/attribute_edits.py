"""Set, add and remove attributes of a statement."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping, Sequence

import attrs

from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import AttributeNode, ListValue, StatementNode, SyntaxTree
from anetdsl.text.edits.list_edits import set_items
from anetdsl.text.edits.sequences import (
    Element,
    comment_after,
    has_line_end,
    indentation,
    is_vertical,
    next_token,
    removal_edits,
    starts_word,
    token_span,
    tokens_within,
)
from anetdsl.text.layout import GAP, INDENT
from anetdsl.vocabulary import ROW_STATEMENTS, STATEMENTS

Text = str | Sequence[str]
"""A value as it is written in a text; for a list, its items."""


def set_attribute(
    tree: SyntaxTree, statement: StatementNode, name: str, value: Text
) -> tuple[Edit, ...]:
    """Return edits that set an attribute. If it is missing, it is added at its canonical index."""
    return set_attributes(tree, statement, {name: value})


def remove_attribute(tree: SyntaxTree, statement: StatementNode, name: str) -> tuple[Edit, ...]:
    """Return edits that remove an attribute and the comment after it, if it is there."""
    return set_attributes(tree, statement, {name: None})


def set_attributes(
    tree: SyntaxTree, statement: StatementNode, values: Mapping[str, Text | None]
) -> tuple[Edit, ...]:
    """Return edits that set attributes of a statement, and remove those with the value None.

    If an attribute is given twice (an error in the text), the first one is set, or both are
    removed.
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
    """Return a value as it is written in a text."""
    return value if isinstance(value, str) else f"[{', '.join(value)}]"


def _keep_column(
    tree: SyntaxTree, statement: StatementNode, attribute: AttributeNode, text: Text
) -> Iterator[Edit]:
    in_table = statement.keyword.text in ROW_STATEMENTS
    if in_table and attribute.value is not None and isinstance(text, str):
        length = attribute.value.span.end - attribute.value.span.start
        yield from keep_column(tree, attribute.span.end, len(text) - length)


def keep_column(tree: SyntaxTree, end: int, growth: int) -> Iterator[Edit]:
    """Yield an edit that keeps the next column in index if the text up to `end` has grown."""
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
    """Return the gap between attributes of a statement: one space, or two in a table."""
    head = statement.name or statement.version or statement.keyword
    spans = [head.span, *(attribute.span for attribute in statement.attributes)]
    gaps = [text[left.end : right.start] for left, right in itertools.pairwise(spans)]
    single = bool(gaps) and all(gap in ("", " ") for gap in gaps)
    return " " if single else GAP


@attrs.frozen
class _Layout:
    """Layout of a statement: keyword and name, attributes and comment lines in order."""

    tree: SyntaxTree
    statement: StatementNode
    elements: tuple[Element, ...]
    indices: tuple[int, ...]
    """Indices of the attributes in `elements`."""

    @classmethod
    def of(cls, tree: SyntaxTree, statement: StatementNode) -> _Layout:
        """Return the layout of a statement."""
        text = tree.source.text
        head = statement.name or statement.version or statement.keyword
        elements = [Element(statement.keyword.span.to(head.span))]
        indices: list[int] = []
        waiting = list(statement.attributes)
        for token in tokens_within(tree, statement.span):
            span = token_span(token)
            if waiting and span.start == waiting[0].span.start:
                indices.append(len(elements))
                elements.append(Element(waiting.pop(0).span))
            elif token.type == "COMMENT" and span.start >= elements[-1].span.end:
                last = elements[-1]
                if last.ends_in_comment or has_line_end(text, last.span.end, span.start):
                    elements.append(Element(span, ends_in_comment=True))
                else:
                    elements[-1] = last.with_comment(span)
        comment = comment_after(tree, statement.span.end)
        if comment and indices and _starts_line(text, elements):
            elements[-1] = elements[-1].with_comment(comment)
        return cls(tree, statement, tuple(elements), tuple(indices))

    def remove(self, names: Container[str]) -> Iterator[Edit]:
        """Yield edits that remove the attributes with these names."""
        removed = {index for index, name in self._named_indices() if name in names}
        end, _ = next_token(self.tree, self.elements[-1].span.end)
        yield from removal_edits(
            self.tree.source.text, self.elements, removed, self.elements[0].span.end, end
        )

    def add(self, values: Mapping[str, Text], removed: Container[str]) -> Iterator[Edit]:
        """Yield edits that add attributes, each after its predecessors in canonical order."""
        known = STATEMENTS[self.statement.keyword.text].attributes
        ranks = {attribute.name: rank for rank, attribute in enumerate(known)}
        for name in sorted(values, key=lambda name: ranks.get(name, len(ranks))):
            rank = ranks.get(name, len(ranks))
            earlier = [
                index
                for index, other in self._named_indices()
                if other not in removed and ranks.get(other, len(ranks)) <= rank
            ]
            element = self.elements[max(earlier, default=0)]
            gap = self._line_gap if element.ends_in_comment or self._is_vertical else self._gap
            space = " " if starts_word(self.tree.source.text, element.span.end) else ""
            text = f"{gap}{name}={written(values[name])}{space}"
            yield Edit(Span(element.span.end, element.span.end), text)

    def _named_indices(self) -> Iterator[tuple[int, str]]:
        return zip(self.indices, (attribute.name.text for attribute in self.statement.attributes))

    @property
    def _gap(self) -> str:
        return gap_of(self.tree.source.text, self.statement)

    @property
    def _is_vertical(self) -> bool:
        return is_vertical(
            self.tree.source.text, self.elements, self.indices, self.elements[0].span.end
        )

    @property
    def _line_gap(self) -> str:
        """Gap between attributes that are on a line each."""
        source = self.tree.source
        starts = (self.elements[index].span.start for index in self.indices)
        indents = (indentation(source.text, start) for start in starts)
        return source.newline + next(filter(None, indents), INDENT)


def _starts_line(text: str, elements: Sequence[Element]) -> bool:
    """Return whether the last of several elements starts a line."""
    return len(elements) > 1 and has_line_end(text, elements[-2].span.end, elements[-1].span.start)
