"""Parse a text into a syntax tree, and report every mistake once.

The tokens are split into statements at the keywords. Each statement is parsed separately, so a
mistake in one does not affect the next. A statement with a mistake is parsed again, attribute by
attribute.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedToken

from anetdsl.diagnostics import Diagnostic
from anetdsl.source import SourceFile, Span
from anetdsl.syntax import messages
from anetdsl.syntax.grammar import load_parser
from anetdsl.syntax.nodes import (
    AttributeNode,
    ListItem,
    ListValue,
    Scalar,
    ScalarKind,
    StatementNode,
    SyntaxTree,
    Word,
)
from anetdsl.syntax.splitting import (
    KEYWORD_TYPES,
    NAMED_TYPES,
    cut,
    holds_keyword,
    is_doubled,
    stray_names,
    type_at,
    without_slash_comments,
)
from anetdsl.vocabulary import KEYWORDS, MAX_FINDINGS, STATEMENTS

_IGNORED = frozenset({"WHITESPACE", "COMMENT", "BOM"})
Children = list[Any]
_NAME_LIKE = KEYWORD_TYPES | {"NAME"}
_KINDS: dict[str, ScalarKind] = {"NUMBER": "number", "NAME": "name", "STRING": "string"}


def tokenize(text: str) -> tuple[Token, ...]:
    """Return all tokens of a text, white space and comments included. Joined, they are the text."""
    return tuple(_lark().lex(text, dont_ignore=True))


def parse_syntax(source: SourceFile) -> SyntaxTree:
    """Parse the statements of a file. Mistakes are in `diagnostics` of the result."""
    return parse_tokens(source, tokenize(source.text))


def parse_tokens(
    source: SourceFile,
    tokens: tuple[Token, ...],
    reuse: Callable[[Span], StatementNode | None] = lambda _: None,
) -> SyntaxTree:
    """Parse the statements of a file, given all of its tokens.

    `reuse` returns the statement without mistakes at a place if it is known already, or None.
    """
    significant = [token for token in tokens if token.type not in _IGNORED]
    if any(token.type == "UNEXPECTED_CHARACTER" for token in significant):
        reduced = list(without_slash_comments(significant, source))
        if len(reduced) < len(significant):
            significant, reuse = reduced, lambda _: None
    statements: list[StatementNode] = []
    diagnostics: list[Diagnostic] = []
    suspects: set[str] = set()
    unknown_statements = False
    chunks = list(cut(significant, source))
    for chunk, following in itertools.zip_longest(chunks, chunks[1:]):
        if following and is_doubled(chunk, following[0], source):
            diagnostics.append(messages.doubled(chunk[0], following[0]))
        elif chunk[0].type in KEYWORD_TYPES:
            try:
                statements.append(reuse(_span(chunk)) or _parse("statement", chunk))
            except UnexpectedToken as error:
                statements.append(_parse_in_pieces(chunk, error, diagnostics))
                suspects.update(stray_names(chunk))
                unknown_statements |= any(map(holds_keyword, chunk))
        else:
            diagnostics.append(messages.not_a_statement(chunk, at_start=not statements))
            suspects.update(str(token) for token in chunk[:2] if token.type == "NAME")
            suspects.update(map(chunk[0].removeprefix, KEYWORDS))  # `nodea1`
            unknown_statements = True
        if len(diagnostics) >= MAX_FINDINGS:
            break
    return SyntaxTree(
        source,
        tokens,
        tuple(statements),
        tuple(diagnostics),
        unknown_statements,
        frozenset(suspects),
    )


def _parse(rule: str, tokens: Sequence[Token]) -> Any:
    """Parse tokens by a start rule. Raise lark.UnexpectedToken at the first unexpected token."""
    parser = _lark().parse_interactive(start=rule)
    for token in tokens:
        parser.feed_token(token)
    return parser.feed_eof(tokens[-1])  # type: ignore[no-untyped-call]


def _parse_in_pieces(
    chunk: Sequence[Token], error: UnexpectedToken, diagnostics: list[Diagnostic]
) -> StatementNode:
    """Parse the head and each attribute of a statement with a mistake; add a message per piece.

    If every piece can be parsed separately, the message is made from `error`, which parsing the
    whole statement raised.
    """
    mistakes = len(diagnostics)
    starts = _attribute_starts(chunk)
    written = frozenset(str(chunk[index]) for index in starts)
    known = [attribute.name for attribute in STATEMENTS[str(chunk[0])].attributes]
    if 1 in starts and chunk[0].type in NAMED_TYPES and chunk[1] not in known:
        starts[0] = 2  # The name of an attribute is missing, not the name of the statement.
    bounds = [0, *starts, len(chunk)]
    attributes: list[AttributeNode] = []
    for start, end in itertools.pairwise(bounds):
        piece = chunk[start:end]
        rule = "attribute" if start else "statement"
        parsed = _parse_piece(rule, piece, chunk[0], written, diagnostics)
        if start and piece[0].type != "EQUAL":
            attributes.append(parsed or AttributeNode(_word(piece[0]), None, _span(piece)))
        if len(diagnostics) >= MAX_FINDINGS:
            break
    if len(diagnostics) == mistakes:
        diagnostics.append(_unexpected(error, chunk, chunk[0], written))
    name = chunk[1] if _has_name(chunk) and 1 not in starts else None
    return StatementNode(
        _word(chunk[0]),
        _word(name) if name is not None else None,
        None,
        tuple(attributes),
        _span(chunk),
        broken=True,
    )


def _attribute_starts(chunk: Sequence[Token]) -> list[int]:
    """Return the indices of `name=`. In a list that continues after it, it is a mistaken item."""
    starts: list[int] = []
    in_list = False
    for index, token in enumerate(chunk):
        if token.type in ("LSQB", "RSQB"):
            in_list = token.type == "LSQB"
            continue
        is_item = in_list and type_at(chunk, index + 3) in ("COMMA", "RSQB")
        named = token.type in _NAME_LIKE and type_at(chunk, index + 1) == "EQUAL"
        if index and named and not is_item:
            starts.append(index)
            in_list = False
    return starts


def _has_name(chunk: Sequence[Token]) -> bool:
    """Return whether a complete name follows the keyword: not the `a` of `a-b`."""
    if type_at(chunk, 1) != "NAME":
        return False
    return type_at(chunk, 2) in ("", "EQUAL") or chunk[1].end_pos != chunk[2].start_pos


def _parse_piece(
    rule: str,
    piece: Sequence[Token],
    keyword: Token,
    written: frozenset[str],
    diagnostics: list[Diagnostic],
) -> Any:
    """Parse a piece of a statement. Return None and add a diagnostic if it has a mistake.

    After a reserved word in place of a name, parsing continues as if it were a name.
    """
    mistakes = len(diagnostics)
    parser = _lark().parse_interactive(start=rule)
    try:
        for token in piece:
            try:
                parser.feed_token(token)
            except UnexpectedToken as error:
                if token.type not in KEYWORD_TYPES or "NAME" not in error.expected:
                    raise
                diagnostics.append(_unexpected(error, piece, keyword, written))
                if len(diagnostics) >= MAX_FINDINGS:
                    return None
                parser.feed_token(Token.new_borrow_pos("NAME", str(token), token))
        parsed = parser.feed_eof(piece[-1])  # type: ignore[no-untyped-call]
    except UnexpectedToken as error:
        diagnostics.append(_unexpected(error, piece, keyword, written))
        return None
    return parsed if len(diagnostics) == mistakes else None


def _unexpected(
    error: UnexpectedToken, piece: Sequence[Token], keyword: Token, written: frozenset[str]
) -> Diagnostic:
    # Lark gives no expected terminals if only the end was expected.
    expected = frozenset(error.expected) or frozenset({"$END"})
    return messages.unexpected(error.token, expected, piece, keyword, written)


def _span(tokens: Sequence[Token]) -> Span:
    # Called for each node of each text: `cast` would take a third of the time.
    return Span(tokens[0].start_pos, tokens[-1].end_pos)  # type: ignore[arg-type]


def _word(token: Token) -> Word:
    return Word(str(token), Span(token.start_pos, token.end_pos))  # type: ignore[arg-type]


class _Builder(Transformer[Token, Any]):
    """Build syntax nodes while the parser reduces, without an intermediate tree."""

    def scalar(self, children: Children) -> Scalar:
        (token,) = children
        return Scalar(_KINDS[token.type], str(token), _span(children))

    def item(self, children: Children) -> ListItem:
        value: Scalar = children[0]
        if len(children) == 1:
            return ListItem(value, None, value.span)
        number: Token = children[2]
        weight = Scalar("number", str(number), _span((number,)))
        return ListItem(value, weight, value.span.to(weight.span))

    def list(self, children: Children) -> ListValue:
        items = tuple(child for child in children if isinstance(child, ListItem))
        return ListValue(items, _span((children[0], children[-1])))

    def attribute(self, children: Children) -> AttributeNode:
        name = _word(children[0])
        return AttributeNode(name, children[2], name.span.to(children[2].span))

    def statement(self, children: Children) -> StatementNode:
        keyword = _word(children[0])
        attributes = tuple(child for child in children if isinstance(child, AttributeNode))
        name: Word | None = None
        version: Scalar | None = None
        end = keyword.span
        if len(children) > 1 and isinstance(children[1], Token):
            head = children[1]
            end = _span((head,))
            if head.type == "NUMBER":
                version = Scalar("number", str(head), end)
            else:
                name = Word(str(head), end)
        span = keyword.span.to(attributes[-1].span if attributes else end)
        return StatementNode(keyword, name, version, attributes, span)


@functools.cache
def _lark() -> Lark:
    return load_parser(_Builder())
