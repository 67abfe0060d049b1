"""Find the comments of a text and their places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import attrs

from anetdsl.source import LINE_END, Span
from anetdsl.syntax.nodes import SyntaxTree


@attrs.frozen
class PlacedComment:
    """A comment, with its `#` and without trailing white space.

    `own_line` is True if nothing precedes the comment on its line.
    """

    text: str
    own_line: bool
    span: Span

    @property
    def start(self) -> int:
        """Offset of the first character."""
        return self.span.start


def comments_of(tree: SyntaxTree) -> Iterator[PlacedComment]:
    """Yield all comments of a text, in order."""
    text = tree.source.text
    end = 0
    for token in tree.tokens:
        if token.type in ("WHITESPACE", "BOM"):
            continue
        if token.type == "COMMENT":
            span = Span(cast(int, token.start_pos), cast(int, token.end_pos))
            own_line = end == 0 or LINE_END.search(text, end, span.start) is not None
            yield PlacedComment(token.rstrip(" \t\f"), own_line, span)
        end = cast(int, token.end_pos)
