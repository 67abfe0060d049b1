"""Change the items of a list. Items that stay keep their line and their comment."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

import attrs

from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import ListItem, ListValue, SyntaxTree
from anetdsl.text.edits.sequences import (
    Element,
    has_line_end,
    indentation,
    is_vertical,
    removal_edits,
    token_span,
    tokens_within,
)


def set_items(tree: SyntaxTree, value: ListValue, items: Sequence[str]) -> Iterator[Edit]:
    """Yield edits after which a list has these items, given as written: `n4`, `n4@0.5`, `"a b"`.

    The text around an item does not change if the item stays or if only its weight changes.
    """
    new = [_split(item) for item in items]
    old_names = [item.value.text for item in value.items]
    kept: dict[int, int] = {}
    matcher = difflib.SequenceMatcher(None, old_names, [name for name, _ in new], autojunk=False)
    for block in matcher.get_matching_blocks():
        kept.update((block.a + offset, block.b + offset) for offset in range(block.size))
    for old_index, new_index in kept.items():
        yield from _set_weight(tree, value.items[old_index], new[new_index][1])
    if len(kept) == len(old_names) == len(new):
        return
    layout = _Layout.of(tree, value)
    if kept:
        yield from layout.change(kept, items)
    else:
        yield from layout.replace_all(items)


def _split(item: str) -> tuple[str, str | None]:
    """Return an item's value, and its weight if it has one."""
    if item.startswith('"') or "@" not in item:
        return item, None
    value, weight = item.split("@")
    return value, weight


def _set_weight(tree: SyntaxTree, item: ListItem, weight: str | None) -> Iterator[Edit]:
    old = item.weight
    if old is None:
        if weight is not None:
            yield Edit(Span(item.value.span.end, item.value.span.end), f"@{weight}")
    elif weight is None:
        rest = Span(item.value.span.end, item.span.end)
        tokens = tokens_within(tree, rest)
        if any(token.type == "COMMENT" for token in tokens):
            yield from (Edit(token_span(t), "") for t in tokens if t.type != "COMMENT")
        else:
            yield Edit(rest, "")
    elif float(old.text) != float(weight):
        yield Edit(old.span, weight)


@attrs.frozen
class _Layout:
    """Layout of a list: items and comment lines in order."""

    text: str
    newline: str
    inner: Span
    elements: tuple[Element, ...]
    items: tuple[ListItem, ...]
    indices: tuple[int, ...]
    """Indices of the items in `elements`."""
    commas: tuple[Span, ...]

    @classmethod
    def of(cls, tree: SyntaxTree, value: ListValue) -> _Layout:
        """Return the layout of a list."""
        text = tree.source.text
        inner = Span(value.span.start + 1, value.span.end - 1)
        tokens = tokens_within(tree, inner)
        commas = tuple(token_span(token) for token in tokens if token.type == "COMMA")
        elements: list[Element] = []
        indices: list[int] = []
        waiting = list(value.items)
        for token in tokens:
            span = token_span(token)
            if waiting and span.start == waiting[0].span.start:
                item = waiting.pop(0).span
                has_comma = len(indices) < len(commas)
                indices.append(len(elements))
                elements.append(Element(item.to(commas[len(indices) - 1]) if has_comma else item))
            elif token.type == "COMMENT" and not (elements and span.start < elements[-1].span.end):
                last = elements[-1] if elements else None
                is_note = indices and indices[-1] == len(elements) - 1
                if last and is_note and not has_line_end(text, last.span.end, span.start):
                    elements[-1] = last.with_comment(span)
                else:
                    elements.append(Element(span, ends_in_comment=True))
        return cls(
            text, tree.source.newline, inner, tuple(elements), value.items, tuple(indices), commas
        )

    @property
    def _has_last_comma(self) -> bool:
        return bool(self.items) and len(self.commas) == len(self.items)

    @property
    def _line_gap(self) -> str:
        """Gap between two items that are on a line each."""
        first = self.items[0].span.start if self.items else self.inner.start
        return self.newline + indentation(self.text, first)

    @property
    def _gap(self) -> str:
        """Gap between two items."""
        vertical = is_vertical(self.text, self.elements, self.indices, self.inner.start)
        return self._line_gap if vertical else " "

    def replace_all(self, items: Sequence[str]) -> Iterator[Edit]:
        """Yield edits that replace all items by `items`. Comments on their own lines stay."""
        comma = "," if self._has_last_comma and items else ""
        comments = [index for index in range(len(self.elements)) if index not in self.indices]
        if not comments:
            ends = [
                end for element in self.elements for end in (element.span.start, element.span.end)
            ]
            span = Span(ends[0], ends[-1]) if ends and items else self.inner
            yield Edit(span, f",{self._gap}".join(items) + comma)
            return
        yield from removal_edits(
            self.text, self.elements, self.indices, self.inner.start, self.inner.end
        )
        if items:
            end = self.elements[comments[-1]].span.end
            text = self._line_gap + f",{self._gap}".join(items) + comma
            yield Edit(Span(end, end), text)

    def change(self, kept: Mapping[int, int], items: Sequence[str]) -> Iterator[Edit]:
        """Yield edits to `items`. The old items that `kept` maps to new items stay."""
        removed = {index for item, index in enumerate(self.indices) if item not in kept}
        yield from removal_edits(
            self.text, self.elements, removed, self.inner.start, self.inner.end
        )
        first = min(kept)
        if before := items[: kept[first]]:
            start = self.elements[self.indices[first]].span.start
            yield Edit(Span(start, start), "".join(f"{item},{self._gap}" for item in before))
        stops = [*sorted(kept.values())[1:], len(items)]
        for (old, new), stop in zip(sorted(kept.items()), stops):
            yield from self._insert_after(old, items[new + 1 : stop], is_end=stop == len(items))

    def _insert_after(self, old: int, items: Sequence[str], *, is_end: bool) -> Iterator[Edit]:
        """Yield edits that insert `items` after an old item, and correct its comma."""
        has_comma = old < len(self.commas)
        needs_comma = bool(items) or not is_end or self._has_last_comma
        if needs_comma and not has_comma:
            end = self.items[old].span.end
            yield Edit(Span(end, end), ",")
        elif has_comma and not needs_comma:
            yield Edit(self.commas[old], "")
        if items:
            element = self.elements[self.indices[old]]
            gap = self._line_gap if element.ends_in_comment else self._gap
            text = gap + f",{self._gap}".join(items) + ","
            if is_end and not self._has_last_comma:
                text = text.removesuffix(",")
            yield Edit(Span(element.span.end, element.span.end), text)
