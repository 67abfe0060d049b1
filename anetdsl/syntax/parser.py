"""Text to a syntax tree, with every mistake reported once.

The tokens are cut into statements at the keywords, and each statement is parsed by itself, so a
mistake cannot disturb what follows it. A statement that fails is parsed again attribute by
attribute.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedToken

from anetdsl.diagnostics import Diagnostic
from anetdsl.source import SourceFile, Span
from anetdsl.syntax import messages
from anetdsl.syntax.grammar import load_parser
from anetdsl.syntax.machine import Machine, Scanner
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
)
from anetdsl.vocabulary import KEYWORDS, MAX_FINDINGS, STATEMENTS

IGNORED = frozenset({"WHITESPACE", "COMMENT", "BOM"})
Children = list[Any]
_NAME_LIKE = KEYWORD_TYPES | {"NAME"}
_KINDS: dict[str, ScalarKind] = {"NUMBER": "number", "NAME": "name", "STRING": "string"}


def tokenize(text: str) -> tuple[Token, ...]:
    """All tokens of a text, white space and comments too: joined, they are the text."""
    return tuple(_scanner().scan(text))


def parse_syntax(source: SourceFile) -> SyntaxTree:
    """The statements of a file. Mistakes are in `diagnostics`; what they spoil is marked broken."""
    tokens = tokenize(source.text)
    significant = [token for token in tokens if token.type not in IGNORED]
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
                statements.append(_run("statement", chunk))
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


def parse_attribute(tokens: Sequence[Token]) -> AttributeNode | None:
    """The attribute that tokens are, none of them IGNORED; None where they are none."""
    return cast("AttributeNode | None", _machine("attribute").run(tokens))


def _run(rule: str, tokens: Sequence[Token]) -> Any:
    """Parse tokens by one rule. Raises lark.UnexpectedToken at the first that does not fit."""
    if (parsed := _machine(rule).run(tokens)) is not None:
        return parsed
    parser = _tree_builder().parse_interactive(start=rule)
    for token in tokens:
        parser.feed_token(token)
    return parser.feed_eof(tokens[-1])  # type: ignore[no-untyped-call]


def _parse_in_pieces(
    chunk: Sequence[Token], error: UnexpectedToken, diagnostics: list[Diagnostic]
) -> StatementNode:
    """A statement with a mistake: its head and each attribute by itself, one message a piece.

    Where each piece is right by itself, the message is that of `error`, which the whole gave.
    """
    mistakes = len(diagnostics)
    starts = _attribute_starts(chunk)
    written = frozenset(str(chunk[index]) for index in starts)
    known = [attribute.name for attribute in STATEMENTS[str(chunk[0])].attributes]
    if 1 in starts and chunk[0].type in NAMED_TYPES and chunk[1] not in known:
        starts[0] = 2  # the name of an attribute is missing, rather than that of the statement
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
    """Where `name=` stands. In a list that goes on behind the value it is an item's mistake."""
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
    """Whether a name follows the keyword, and is whole: not the `a` of `a-b`."""
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
    """What the piece means, or None after saying what is wrong.

    A reserved word in the place of a name is not the end: it is read as that name to see the rest.
    """
    mistakes = len(diagnostics)
    parser = _tree_builder().parse_interactive(start=rule)
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
    # Lark names nothing where only the end would have fitted.
    expected = frozenset(error.expected) or frozenset({"$END"})
    return messages.unexpected(error.token, expected, piece, keyword, written)


def _span(tokens: Sequence[Token]) -> Span:
    # Asked for each node of each text: a call of `cast` would be a third of it.
    return Span(tokens[0].start_pos, tokens[-1].end_pos)  # type: ignore[arg-type]


def _word(token: Token) -> Word:
    return Word(str(token), Span(token.start_pos, token.end_pos))  # type: ignore[arg-type]


class _Builder(Transformer[Token, Any]):
    """Makes syntax nodes as the parser reduces: no tree in between, no recursion."""

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
def _tree_builder() -> Lark:
    return load_parser(_Builder())


@functools.cache
def _machine(rule: str) -> Machine:
    return Machine.of(_tree_builder(), rule)


@functools.cache
def _scanner() -> Scanner:
    """That of the lexer behind `Lark.lex(text, dont_ignore=True)`, which builds one each time."""
    return Scanner.of(_tree_builder()._build_lexer(dont_ignore=True))
