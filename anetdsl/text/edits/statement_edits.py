"""Find and insert statements, and set `origin` and `score`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from anetdsl.ir import Node, Origin, Score
from anetdsl.source import LINE_END, Edit, Span
from anetdsl.syntax.nodes import StatementNode, SyntaxTree
from anetdsl.text.edits.attribute_edits import Text, gap_of, set_attributes
from anetdsl.text.edits.removal import remove_statement, with_comment
from anetdsl.text.edits.sequences import has_line_end, next_token
from anetdsl.text.layout import GAP, Cell, Row, row_lines
from anetdsl.text.printing import node_cells, origin_cells, score_cells
from anetdsl.vocabulary import STATEMENTS


def find(tree: SyntaxTree, keyword: str, name: str | None = None) -> StatementNode:
    """Return the first statement with this keyword and name. Raises KeyError if there is none."""
    for statement in tree.statements:
        if statement.keyword.text == keyword and (
            name is None or (statement.name is not None and statement.name.text == name)
        ):
            return statement
    raise KeyError(name or keyword)


def insert_node(tree: SyntaxTree, node: Node, after: StatementNode) -> tuple[Edit, ...]:
    """Return edits that insert a node on the line after a statement, in its columns."""
    return insert_nodes(tree, (node,), after)


def insert_nodes(tree: SyntaxTree, nodes: Sequence[Node], after: StatementNode) -> tuple[Edit, ...]:
    """Return edits that insert nodes, at least one, on a line each, as `insert_node` does."""
    like = after if after.keyword.text == "node" else _first(tree, "node")
    gap = gap_of(tree.source.text, like) if like is not None else GAP
    widths = _widths(tree.source.text, like) if like is not None and gap == GAP else {}
    rows = (row_lines(Row(node_cells(node), "node"), widths, gap) for node in nodes)
    return _insert(tree, [line for row in rows for line in row], after)


def set_origin(tree: SyntaxTree, origin: Origin | None) -> tuple[Edit, ...]:
    """Return edits that change the `origin` statement, add it after `network`, or remove it (None).

    Raises KeyError if there is neither an `origin` nor a `network` statement.
    """
    cells = origin_cells(origin) if origin is not None else None
    return _set_single(tree, "origin", cells, ("network",))


def set_score(tree: SyntaxTree, score: Score | None) -> tuple[Edit, ...]:
    """Return edits that change the `score` statement, add it, or remove it (None).

    It is added after `origin`, or after `network` if there is no `origin`. Raises KeyError if there
    is neither a `score` nor a `network` statement.
    """
    cells = score_cells(score) if score is not None else None
    return _set_single(tree, "score", cells, ("origin", "network"))


def _set_single(
    tree: SyntaxTree, keyword: str, cells: tuple[Cell, ...] | None, anchors: tuple[str, ...]
) -> tuple[Edit, ...]:
    present = _first(tree, keyword)
    if cells is None:
        return remove_statement(tree, present) if present is not None else ()
    if present is not None:
        values: dict[str, Text | None] = {}
        for attribute in STATEMENTS[keyword].attributes:
            values |= {name: None for name in (attribute.name, attribute.old_name) if name}
        for cell in cells[1:]:
            items = cell.items
            text = cell.text.partition("=")[2]
            values[cell.key] = text if items is None else [item.text for item in items]
        return set_attributes(tree, present, values)
    after = next(filter(None, (_first(tree, anchor) for anchor in anchors)), None)
    if after is None:
        raise KeyError(anchors[-1])
    return _insert(tree, row_lines(Row(cells), {}, gap_of(tree.source.text, after)), after)


def _first(tree: SyntaxTree, keyword: str) -> StatementNode | None:
    return next((s for s in tree.statements if s.keyword.text == keyword), None)


def _insert(tree: SyntaxTree, lines: list[str], after: StatementNode) -> tuple[Edit, ...]:
    text, newline = tree.source.text, tree.source.newline
    end = with_comment(tree, after).end
    following, _ = next_token(tree, end)
    new = newline + newline.join(lines)
    if following < len(text) and not has_line_end(text, end, following):
        return (Edit(Span(end, following), new + newline),)
    line_end = LINE_END.search(text, end)
    end = line_end.start() if line_end is not None else len(text)
    return (Edit(Span(end, end), new),)


def _widths(text: str, like: StatementNode) -> dict[str, int]:
    """Return the column widths of a statement's table, as far as the statement is on one line."""
    pieces = [("keyword", like.keyword.span)]
    if like.name is not None:
        pieces.append(("name", like.name.span))
    pieces.extend((attribute.name.text, attribute.span) for attribute in like.attributes)
    widths: dict[str, int] = {}
    for (key, span), (next_key, next_span) in itertools.pairwise(pieces):
        if has_line_end(text, span.start, next_span.start):
            break
        gap = 1 if next_key == "name" else len(GAP)
        widths[key] = next_span.start - span.start - gap
    return widths
