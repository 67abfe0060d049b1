"""Text to a syntax tree, with every mistake reported once.

The tokens are cut into statements at the keywords, and each statement is parsed by itself, so a
mistake cannot disturb what follows it. A statement that fails is parsed again attribute by
attribute.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer, LexerThread

from anetdsl.diagnostics import Diagnostic, did_you_mean
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
from anetdsl.vocabulary import KEYWORDS, STATEMENTS

IGNORED = frozenset({"WHITESPACE", "COMMENT", "BOM"})
KEYWORD_TYPES = frozenset(keyword.upper() for keyword in KEYWORDS)
_NAMED_TYPES = frozenset(s.keyword.upper() for s in STATEMENTS.values() if s.named)
Children = list[Any]
_NAME_LIKE = KEYWORD_TYPES | {"NAME"}


def tokenize(text: str) -> tuple[Token, ...]:
    """All tokens of a text, white space and comments too: joined, they are the text."""
    return tuple(LexerThread.from_text(_lossless_lexer(), text).lex(None))  # type: ignore[no-untyped-call]


def parse_syntax(source: SourceFile) -> SyntaxTree:
    """The statements of a file. Mistakes are in `diagnostics`; what they spoil is marked broken."""
    tokens = tokenize(source.text)
    significant = [token for token in tokens if token.type not in IGNORED]
    statements: list[StatementNode] = []
    diagnostics: list[Diagnostic] = []
    suspects: set[str] = set()
    unknown_statements = False
    chunks = list(_chunks(significant, source))
    for chunk, following in itertools.zip_longest(chunks, chunks[1:]):
        if following and _is_doubled(chunk, following[0], source):
            diagnostics.append(messages.doubled(chunk[0], following[0]))
        elif chunk[0].type in KEYWORD_TYPES:
            try:
                statements.append(_run("statement", chunk))
            except UnexpectedToken:
                statements.append(_parse_in_pieces(chunk, diagnostics))
                suspects.update(_stray_names(chunk))
                unknown_statements |= any(map(_holds_keyword, chunk))
        else:
            diagnostics.append(messages.not_a_statement(chunk, at_start=not statements))
            suspects.update(str(token) for token in chunk[:2] if token.type == "NAME")
            unknown_statements = True
    return SyntaxTree(
        source,
        tokens,
        tuple(statements),
        tuple(diagnostics),
        unknown_statements,
        frozenset(suspects),
    )


def _chunks(tokens: Sequence[Token], source: SourceFile) -> Iterator[list[Token]]:
    """The tokens cut before every token that starts a statement, or was meant to."""
    chunk: list[Token] = []
    for index, token in enumerate(tokens):
        if chunk and (
            _is_keyword_in_place(chunk[0], tokens, index, source)
            or _is_unknown_statement(tokens, index, source)
            or _has_lost_keyword(chunk, tokens, index, source)
        ):
            yield chunk
            chunk = []
        chunk.append(token)
    if chunk:
        yield chunk


def _type_at(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].type if 0 <= index < len(tokens) else ""


def _starts_line(tokens: Sequence[Token], index: int, source: SourceFile) -> bool:
    start, previous = cast(int, tokens[index].start_pos), cast(int, tokens[index - 1].start_pos)
    return not index or source.position(previous).line < source.position(start).line


def _is_indented(token: Token, keyword: Token, source: SourceFile) -> bool:
    """Whether a token stands to the right of a keyword, as what continues its statement does."""
    column = source.position(cast(int, token.start_pos)).column
    return column > source.position(cast(int, keyword.start_pos)).column + 1


def _is_keyword_in_place(
    start: Token, tokens: Sequence[Token], index: int, source: SourceFile
) -> bool:
    """Whether a keyword starts a statement, rather than stands where a name should.

    `start` is the token that the statement before it starts with.
    """
    token = tokens[index]
    if token.type not in KEYWORD_TYPES:
        return False
    before, after = _type_at(tokens, index - 1), _type_at(tokens, index + 1)
    starts_line = _starts_line(tokens, index, source)
    if after == "EQUAL":
        return starts_line and not _is_indented(token, start, source)
    if after in ("COMMA", "RSQB", "AT"):
        return before not in ("COMMA", "LSQB")
    if before not in _NAMED_TYPES:
        return True
    is_name = not starts_line and _type_at(tokens, index + 2) == "EQUAL"
    return after in ("NAME", "NUMBER") and not is_name


def _is_doubled(chunk: Sequence[Token], following: Token, source: SourceFile) -> bool:
    """Whether a keyword stands alone before the same keyword, on one line."""
    return (
        len(chunk) == 1
        and chunk[0].type == following.type
        and following.type in KEYWORD_TYPES
        and not _starts_line([*chunk, following], 1, source)
    )


def _has_lost_keyword(
    chunk: Sequence[Token], tokens: Sequence[Token], index: int, source: SourceFile
) -> bool:
    """Whether `name=` at the start of a line cannot belong to the statement of `chunk`.

    It is not indented, and the statement has it already, or it is another statement's alone.
    """
    token, keyword = tokens[index], chunk[0]
    if token.type != "NAME" or _type_at(tokens, index + 1) != "EQUAL":
        return False
    if keyword.type not in KEYWORD_TYPES or not _starts_line(tokens, index, source):
        return False
    if _is_indented(token, keyword, source) or chunk[-1].type in ("COMMA", "LSQB", "EQUAL", "AT"):
        return False
    if STATEMENTS[str(keyword)].attribute(token) is None:
        return any(statement.attribute(token) for statement in STATEMENTS.values())
    return any(a == token and b.type == "EQUAL" for a, b in itertools.pairwise(chunk))


def _stray_names(chunk: Sequence[Token]) -> Iterator[str]:
    """Names in a statement with a mistake that may be meant as its own."""
    for index, token in enumerate(chunk):
        before, after = _type_at(chunk, index - 1), _type_at(chunk, index + 1)
        if (
            token.type == "NAME"
            and before not in ("COMMA", "LSQB")
            and after not in ("COMMA", "RSQB", "AT", "EQUAL")
        ):
            yield str(token)


def _holds_keyword(token: Token) -> bool:
    """Whether a word runs into a keyword that may start a statement, as in `64input`."""
    return token.type in ("NAME", "MALFORMED_NUMBER") and token.endswith(KEYWORDS)


def _is_unknown_statement(tokens: Sequence[Token], index: int, source: SourceFile) -> bool:
    """Whether `index` is a misspelt keyword: first on its line, before a name or a statement."""
    token, previous = tokens[index], tokens[index - 1]
    if token.type != "NAME" or previous.type in KEYWORD_TYPES or previous.type == "EQUAL":
        return False
    if _type_at(tokens, index + 1) not in ("NAME", "", *KEYWORD_TYPES):
        return False
    return _starts_line(tokens, index, source) and (
        previous.type not in ("COMMA", "LSQB", "AT") or did_you_mean(token, KEYWORDS) is not None
    )


def _run(rule: str, tokens: Sequence[Token]) -> Any:
    """Parse tokens by one rule. Raises lark.UnexpectedToken at the first that does not fit."""
    parser = _tree_builder().parse_interactive(start=rule)
    for token in tokens:
        parser.feed_token(token)
    return parser.feed_eof(tokens[-1])  # type: ignore[no-untyped-call]


def _parse_in_pieces(chunk: Sequence[Token], diagnostics: list[Diagnostic]) -> StatementNode:
    """A statement with a mistake: its head and each attribute by itself, one message a piece."""
    starts = [
        index
        for index in range(1, len(chunk) - 1)
        if chunk[index].type in _NAME_LIKE and chunk[index + 1].type == "EQUAL"
    ]
    known = [attribute.name for attribute in STATEMENTS[str(chunk[0])].attributes]
    if 1 in starts and chunk[0].type in _NAMED_TYPES and chunk[1] not in known:
        starts[0] = 2  # the name of an attribute is missing, rather than that of the statement
    bounds = [0, *starts, len(chunk)]
    attributes: list[AttributeNode] = []
    for start, end in itertools.pairwise(bounds):
        piece = chunk[start:end]
        parsed = _parse_piece("attribute" if start else "statement", piece, chunk[0], diagnostics)
        if start and piece[0].type != "EQUAL":
            attributes.append(parsed or AttributeNode(_word(piece[0]), None, _span(piece)))
    name = chunk[1] if len(chunk) > 1 and chunk[1].type == "NAME" and 1 not in starts else None
    return StatementNode(
        _word(chunk[0]),
        _word(name) if name is not None else None,
        None,
        tuple(attributes),
        _span(chunk),
        broken=True,
    )


def _parse_piece(
    rule: str, piece: Sequence[Token], keyword: Token, diagnostics: list[Diagnostic]
) -> Any:
    """What the piece means, or None after saying what is wrong.

    A reserved word in the place of a name is not the end: it is read as that name to see the rest.
    """
    mistakes = len(diagnostics)
    while True:
        try:
            parsed = _run(rule, piece)
        except UnexpectedToken as error:
            # Lark names nothing where only the end would have fitted.
            expected = frozenset(error.expected) or frozenset({"$END"})
            diagnostics.append(messages.unexpected(error.token, expected, piece, keyword))
            if error.token.type not in KEYWORD_TYPES or "NAME" not in expected:
                return None
            piece = [
                Token.new_borrow_pos("NAME", str(token), token) if token is error.token else token
                for token in piece
            ]
        else:
            return parsed if len(diagnostics) == mistakes else None


def _span(tokens: Sequence[Token]) -> Span:
    return Span(cast(int, tokens[0].start_pos), cast(int, tokens[-1].end_pos))


def _word(token: Token) -> Word:
    return Word(str(token), _span((token,)))


class _Builder(Transformer[Token, Any]):
    """Makes syntax nodes as the parser reduces: no tree in between, no recursion."""

    def scalar(self, children: Children) -> Scalar:
        (token,) = children
        return Scalar(cast(ScalarKind, token.type.lower()), str(token), _span(children))

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
def _lossless_lexer() -> Lexer:
    """The lexer behind `Lark.lex(text, dont_ignore=True)`, which builds one for each call."""
    return _tree_builder()._build_lexer(dont_ignore=True)
