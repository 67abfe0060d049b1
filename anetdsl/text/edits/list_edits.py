"""The items of a list changed in place: what stays keeps its line, its comment and its weight."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

import attrs

from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import ListItem, ListValue, SyntaxTree
from anetdsl.text.edits.sequences import (
    Thing,
    cuts,
    has_line_end,
    indentation,
    is_vertical,
    token_span,
    tokens_within,
)


def set_items(tree: SyntaxTree, value: ListValue, items: Sequence[str]) -> Iterator[Edit]:
    """Edits that make a list hold `items`, each as it is written: `n4`, `n4@0.5`, `"a b"`.

    An item that stays, or only gets another weight, keeps everything around it.
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
    """An item's value, and its weight if it has one."""
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
    """How a list is set: its things in order, and which of them are items."""

    text: str
    newline: str
    inner: Span
    things: tuple[Thing, ...]
    items: tuple[ListItem, ...]
    places: tuple[int, ...]
    """Of each item, which of the things it is."""
    commas: tuple[Span, ...]

    @classmethod
    def of(cls, tree: SyntaxTree, value: ListValue) -> _Layout:
        """The layout of a list."""
        text = tree.source.text
        inner = Span(value.span.start + 1, value.span.end - 1)
        tokens = tokens_within(tree, inner)
        commas = tuple(token_span(token) for token in tokens if token.type == "COMMA")
        things: list[Thing] = []
        places: list[int] = []
        waiting = list(value.items)
        for token in tokens:
            span = token_span(token)
            if waiting and span.start == waiting[0].span.start:
                item = waiting.pop(0).span
                has_comma = len(places) < len(commas)
                places.append(len(things))
                things.append(Thing(item.to(commas[len(places) - 1]) if has_comma else item))
            elif token.type == "COMMENT" and not (things and span.start < things[-1].span.end):
                last = things[-1] if things else None
                is_note = places and places[-1] == len(things) - 1
                if last and is_note and not has_line_end(text, last.span.end, span.start):
                    things[-1] = last.with_comment(span)
                else:
                    things.append(Thing(span, ends_in_comment=True))
        return cls(
            text, tree.source.newline, inner, tuple(things), value.items, tuple(places), commas
        )

    @property
    def _has_last_comma(self) -> bool:
        return bool(self.items) and len(self.commas) == len(self.items)

    @property
    def _line_gap(self) -> str:
        """What stands between two items that have a line each."""
        first = self.items[0].span.start if self.items else self.inner.start
        return self.newline + indentation(self.text, first)

    @property
    def _gap(self) -> str:
        """What stands between two items."""
        vertical = is_vertical(self.text, self.things, self.places, self.inner.start)
        return self._line_gap if vertical else " "

    def replace_all(self, items: Sequence[str]) -> Iterator[Edit]:
        """Edits that put `items` in the place of all items; comments on own lines stay."""
        comma = "," if self._has_last_comma and items else ""
        comments = [index for index in range(len(self.things)) if index not in self.places]
        if not comments:
            ends = [end for thing in self.things for end in (thing.span.start, thing.span.end)]
            place = Span(ends[0], ends[-1]) if ends and items else self.inner
            yield Edit(place, f",{self._gap}".join(items) + comma)
            return
        yield from cuts(self.text, self.things, self.places, self.inner.start, self.inner.end)
        if items:
            end = self.things[comments[-1]].span.end
            text = self._line_gap + f",{self._gap}".join(items) + comma
            yield Edit(Span(end, end), text)

    def change(self, kept: Mapping[int, int], items: Sequence[str]) -> Iterator[Edit]:
        """Edits to `items`, where the old items that `kept` maps to new ones stay."""
        removed = {place for index, place in enumerate(self.places) if index not in kept}
        yield from cuts(self.text, self.things, removed, self.inner.start, self.inner.end)
        first = min(kept)
        if before := items[: kept[first]]:
            start = self.things[self.places[first]].span.start
            yield Edit(Span(start, start), "".join(f"{item},{self._gap}" for item in before))
        stops = [*sorted(kept.values())[1:], len(items)]
        for (old, new), stop in zip(sorted(kept.items()), stops):
            yield from self._insert_behind(old, items[new + 1 : stop], is_end=stop == len(items))

    def _insert_behind(self, old: int, items: Sequence[str], *, is_end: bool) -> Iterator[Edit]:
        """Edits that put `items` behind an old one, and mend its comma at the list's end."""
        has_comma = old < len(self.commas)
        needs_comma = bool(items) or not is_end or self._has_last_comma
        if needs_comma and not has_comma:
            end = self.items[old].span.end
            yield Edit(Span(end, end), ",")
        elif has_comma and not needs_comma:
            yield Edit(self.commas[old], "")
        if items:
            thing = self.things[self.places[old]]
            gap = self._line_gap if thing.ends_in_comment else self._gap
            text = gap + f",{self._gap}".join(items) + ","
            if is_end and not self._has_last_comma:
                text = text.removesuffix(",")
            yield Edit(Span(thing.span.end, thing.span.end), text)
