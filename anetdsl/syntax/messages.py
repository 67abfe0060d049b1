"""Messages for unexpected tokens, in the terms of the language and not of the parser."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import cast

from lark import Token

from anetdsl.diagnostics import Diagnostic, Fix, Label, did_you_mean
from anetdsl.source import Edit, Span
from anetdsl.vocabulary import KEYWORDS, STATEMENTS

_KEYWORD_TYPES = frozenset(keyword.upper() for keyword in KEYWORDS)


def _span(token: Token) -> Span:
    return Span(cast(int, token.start_pos), cast(int, token.end_pos))


def _quoted(token: Token) -> str:
    text = str(token) if len(token) <= 40 else f"{token[:37]}..."
    return f"`{text}`"


def _choices(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def unexpected(
    token: Token,
    expected: frozenset[str],
    piece: Sequence[Token],
    keyword: Token,
    written: frozenset[str],
) -> Diagnostic:
    """Return the message for `token`, at which parsing a piece of a statement failed.

    `expected` has the terminals that were expected. If the piece ends too early, the type of
    `token` is `$END`. `keyword` is that of the statement, and `written` has the names of its
    attributes.
    """
    if (lexical := _lexical(token)) is not None:
        return lexical
    if token.type in _KEYWORD_TYPES:
        return _reserved(token, piece, keyword, written)
    bracket = _open_bracket(token, piece)
    if token.type == "$END":
        return _ended_early(expected, piece, keyword, bracket)
    if token.type == "LSQB" and bracket is not None:
        return Diagnostic(
            "A108",
            "a list cannot hold another list",
            _span(token),
            note="second `[`",
            labels=(Label(_span(bracket), "within this list"),),
        )
    if piece[0].type == "EQUAL":
        return Diagnostic(
            "A104", "expected the name of an attribute before `=`", _span(token), note="here"
        )
    if bracket is not None and "COMMA" in expected:
        return _missing_comma(token, piece)
    if token.type == "NAME" and "$END" in expected and STATEMENTS[str(keyword)].attributes:
        return _missing_value(token, piece)
    return Diagnostic(
        "A104",
        f"expected {_expected(expected, piece, keyword)}, found {_quoted(token)}",
        _span(token),
        help=_attribute_help(keyword) if "$END" in expected else "",
    )


def not_a_statement(chunk: Sequence[Token], *, at_start: bool) -> Diagnostic:
    """Return the message for tokens that do not start with a keyword."""
    token = chunk[0]
    if (lexical := _lexical(token)) is not None:
        return lexical
    guess = did_you_mean(token, KEYWORDS) if token.type == "NAME" else None
    if guess is not None:
        return Diagnostic(
            "A107",
            f"unknown statement {_quoted(token)}",
            _span(token),
            help=f"did you mean `{guess}`?",
            fix=Fix(f"change to `{guess}`", (Edit(_span(token), guess),)),
        )
    if at_start:
        return Diagnostic(
            "A107",
            f"expected a statement, found {_quoted(token)}",
            _span(token),
            help=f"a statement starts with one of {_choices(KEYWORDS)}; the first is `anet 1`",
        )
    return Diagnostic(
        "A107",
        f"unknown statement {_quoted(token)}",
        _span(token),
        help=f"a statement starts with one of {_choices(KEYWORDS)}",
    )


def doubled(first: Token, second: Token) -> Diagnostic:
    """Return the message for a keyword that is written twice."""
    return Diagnostic(
        "A104",
        f"{_quoted(second)} is written twice",
        _span(second),
        labels=(Label(_span(first), "first here"),),
        fix=Fix("remove one", (Edit(Span(_span(first).start, _span(second).start), ""),)),
    )


def _lexical(token: Token) -> Diagnostic | None:
    """Return the message for a token that no rule of the grammar uses, or None."""
    match token.type:
        case "UNEXPECTED_CHARACTER":
            return Diagnostic(
                "A101",
                f"unexpected {'character' if len(token) == 1 else 'characters'} {_quoted(token)}",
                _span(token),
                help=_character_help(token),
            )
        case "UNTERMINATED_STRING":
            return Diagnostic(
                "A102",
                "this string is not closed",
                _span(token),
                help='close it with `"` on the same line; a line break in a string is `\\n`',
            )
        case "MALFORMED_NUMBER":
            return Diagnostic(
                "A103",
                f"{_quoted(token)} is neither a number nor a name",
                _span(token),
                help="a name cannot start with a digit; a number is like `32`, `0.41` or `1e-3`",
            )
    return None


def _character_help(token: Token) -> str:
    """Return help for characters with a meaning in other languages."""
    if token[0] in "{}()":
        return "a list is written in [ ], as in `inputs=[a, b]`; a statement needs no brackets"
    if token[0] == ":":
        return "an attribute is written `name=value`, the weight of an edge `name@0.5`"
    if token.startswith(("//", "/*", "*/")):
        return "a comment starts with `#`"
    if token[0] == ";":
        return "statements and attributes are separated by white space, items of a list by commas"
    if token[0] in "'`":
        return 'a string is written in "double quotes", a name without quotes'
    return "names consist of the letters a-z and A-Z, digits and `_`"


def _open_bracket(token: Token, piece: Sequence[Token]) -> Token | None:
    """Return the `[` of the list that contains a token, or None."""
    bracket: Token | None = None
    for other in piece:
        if other is token:
            break
        if other.type == "LSQB":
            bracket = bracket or other
        elif other.type == "RSQB":
            bracket = None
    return bracket


def _ended_early(
    expected: frozenset[str], piece: Sequence[Token], keyword: Token, bracket: Token | None
) -> Diagnostic:
    end = _span(piece[-1]).end
    here = Span(end, end)
    if bracket is not None and "RSQB" in expected:
        return Diagnostic(
            "A105",
            "this `[` is not closed",
            _span(bracket),
            labels=(Label(here, "expected `]` here"),),
            fix=Fix("close the list", (Edit(here, "]"),)),
        )
    return Diagnostic(
        "A104",
        f"expected {_expected(expected, piece, keyword)} after {_quoted(piece[-1])}",
        here,
        note="here",
    )


def _reserved(
    token: Token, piece: Sequence[Token], keyword: Token, written: frozenset[str]
) -> Diagnostic:
    statement = STATEMENTS[str(keyword)]
    is_attribute = piece[0] is token and token is not keyword
    names = [attribute.name for attribute in statement.attributes] if is_attribute else []
    guess = did_you_mean(token, [name for name in names if name not in written])
    return Diagnostic(
        "A106",
        f"{_quoted(token)} is a reserved word",
        _span(token),
        help=f"did you mean `{guess}`?" if guess else "choose another name",
        fix=Fix(f"change to `{guess}`", (Edit(_span(token), guess),)) if guess else None,
    )


def _missing_value(token: Token, piece: Sequence[Token]) -> Diagnostic:
    """Return the message for a name without `=` after a complete attribute or head."""
    following = next((b for a, b in itertools.pairwise(piece) if a is token), None)
    if following is None:
        end = _span(token).end
        return Diagnostic(
            "A104", f"expected `=` after {_quoted(token)}", Span(end, end), note="here"
        )
    if (lexical := _lexical(following)) is not None:
        return lexical
    return Diagnostic(
        "A104",
        f"expected `=` after {_quoted(token)}, found {_quoted(following)}",
        _span(following),
    )


def _missing_comma(token: Token, piece: Sequence[Token]) -> Diagnostic:
    before = next(a for a, b in itertools.pairwise(piece) if b is token)
    end = _span(before).end
    item = token.type in ("NAME", "NUMBER", "STRING")
    text = "items of a list are separated by commas" if item else ""
    if token.type == "EQUAL":
        text = f"the weight of an edge is written `{before[:40]}@0.5`"
    return Diagnostic(
        "A104",
        f"expected `,` or `]` after {_quoted(before)}, found {_quoted(token)}",
        _span(token),
        help=text,
        fix=Fix("insert a comma", (Edit(Span(end, end), ","),)) if item else None,
    )


def _expected(expected: frozenset[str], piece: Sequence[Token], keyword: Token) -> str:
    """Describe what was expected."""
    if {"NUMBER", "STRING", "LSQB"} <= expected:
        return f"a value for `{piece[0]}`"
    if {"NUMBER", "STRING"} <= expected:
        return "an item or `]`"
    if "$END" in expected and not STATEMENTS[str(keyword)].attributes:
        return "the next statement"
    if "$END" in expected:
        return "an attribute such as `name=value`, or the next statement"
    if "RSQB" in expected:
        return "`,` or `]`"
    if "EQUAL" in expected:
        return "`=`"
    if expected == {"NUMBER"}:
        return "a version number" if keyword.type == "ANET" else "a weight such as `0.5`"
    return f"a name for this {keyword}"


def _attribute_help(keyword: Token) -> str:
    names = [attribute.name for attribute in STATEMENTS[str(keyword)].attributes]
    return f"attributes of `{keyword}` are {_choices(names)}" if names else ""
