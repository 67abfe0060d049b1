"""Completion: the words that are valid at a place of a text.

The place is found from the tokens before it, since the statement that is being written is rarely
complete.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Literal, cast

import attrs
from lark import Token

from anetdsl.codes import CODES, WARNINGS
from anetdsl.language_server.analysis import Analysis
from anetdsl.language_server.hover_text import attribute_lines, shape_text
from anetdsl.language_server.suggested_values import (
    fitting_sources,
    likely_sources,
    suggested_value,
    unused_attributes,
)
from anetdsl.source import LINE_END, Span
from anetdsl.vocabulary import KEYWORDS, LANGUAGE_VERSION, STATEMENTS, Attribute, Statement

CompletionKind = Literal["keyword", "attribute", "node", "input", "value", "code"]
_KEYWORD_TYPES = frozenset(keyword.upper() for keyword in KEYWORDS)
_WORD_TYPES = _KEYWORD_TYPES | {"NAME", "NUMBER", "MALFORMED_NUMBER"}
_IGNORED = frozenset({"WHITESPACE", "COMMENT", "BOM"})
_ALLOW = re.compile(r"#\s*anetc:\s*allow\s+(?:[A-Z0-9]+[\s,]+)*([A-Za-z0-9]*)\Z", re.ASCII)


@attrs.frozen
class Completion:
    """One word that is valid at a place, and the span that it replaces."""

    label: str
    kind: CompletionKind
    span: Span
    text: str
    """Text that is inserted."""
    snippet: str = ""
    """The text with fields `${1:value}`, for editors that know them; empty if it has none."""
    detail: str = ""
    documentation: str = ""
    """Markdown."""


def completions_at(analysis: Analysis, offset: int) -> list[Completion]:
    """Return the words that are valid at an offset, the most likely ones first."""
    offset = max(0, min(offset, len(analysis.text)))
    tokens = analysis.tree.tokens
    index = bisect.bisect_left(tokens, offset, key=_start) - 1
    if index >= 0 and _end(tokens[index]) >= offset:
        touching = tokens[index]
        if touching.type == "COMMENT":
            return list(_codes(analysis, touching, offset))
        inside = _end(touching) > offset or touching.type == "UNTERMINATED_STRING"
        if touching.type.endswith("STRING") and inside:
            return []
    return list(_Cursor.at(analysis, offset).completions())


def _start(token: Token) -> int:
    return cast(int, token.start_pos)


def _end(token: Token) -> int:
    return cast(int, token.end_pos)


def _codes(analysis: Analysis, comment: Token, offset: int) -> Iterator[Completion]:
    """Yield the codes of warnings in a comment that allows some."""
    match = _ALLOW.match(str(comment)[: offset - _start(comment)])
    if match is None:
        return
    span = Span(offset - len(match[1]), offset)
    present = [d.code for d in analysis.diagnostics if d.code in WARNINGS]
    for code in dict.fromkeys([*present, *sorted(WARNINGS)]):
        yield Completion(code, "code", span, code, detail=CODES[code].title)


@attrs.frozen
class _Cursor:
    """A place within a statement, and the tokens around it."""

    analysis: Analysis
    span: Span
    """The word that is being written."""
    before: tuple[Token, ...]
    """Tokens of the statement before the word, with its keyword; empty outside of statements."""
    after: tuple[Token, ...]
    """Tokens of the statement after the word."""

    @classmethod
    def at(cls, analysis: Analysis, offset: int) -> _Cursor:
        tokens = [token for token in analysis.tree.tokens if token.type not in _IGNORED]
        index = bisect.bisect_left(tokens, offset, key=_start)
        word = Span(offset, offset)
        after = index
        for candidate in (index - 1, index):
            token = tokens[candidate] if 0 <= candidate < len(tokens) else None
            touches = token is not None and _start(token) <= offset <= _end(token)
            if token is not None and touches and token.type in _WORD_TYPES:
                word = Span(_start(token), _end(token))
                index, after = candidate, candidate + 1
                break
        first = next((i for i in range(index - 1, -1, -1) if _starts_statement(tokens, i)), index)
        last = next((i for i in range(after, len(tokens)) if _starts_statement(tokens, i)), None)
        return cls(analysis, word, tuple(tokens[first:index]), tuple(tokens[after:last]))

    @property
    def statement(self) -> Statement:
        """The kind of the statement; only within statements."""
        return STATEMENTS[str(self.before[0])]

    @property
    def name(self) -> str:
        """Name of the statement, or an empty string."""
        has_name = len(self.before) > 1 and self.statement.named and self.before[1].type == "NAME"
        return str(self.before[1]) if has_name else ""

    @property
    def level(self) -> int | None:
        """Level that the statement states."""
        text = self._written("level")
        return int(text) if text is not None and text.isascii() and text.isdigit() else None

    @property
    def starts_line(self) -> bool:
        """True if nothing precedes the word on its line."""
        if not self.before:
            return True
        end = _end(self.before[-1])
        return LINE_END.search(self.analysis.text, end, self.span.start) is not None

    def completions(self) -> Iterator[Completion]:
        if not self.before:
            yield from self._keywords()
            return
        last = self.before[-1]
        bracket = _open_list(self.before)
        if bracket is not None:
            attribute = self._attribute_before(bracket)
            if last.type in ("LSQB", "COMMA") and attribute is not None:
                yield from self._items(attribute, self.before[bracket + 1 :])
        elif last.type == "EQUAL":
            attribute = self._attribute_before(len(self.before))
            if attribute is not None:
                yield from self._values(attribute)
        elif len(self.before) == 1 and self.statement.keyword == "anet":
            yield self._value(str(LANGUAGE_VERSION), "the version of the language")
        elif len(self.before) == 1 and self.statement.named:
            yield from self._new_names()
        elif last.type not in ("AT", "COMMA"):
            yield from self._attributes_and_keywords()

    def _written(self, name: str) -> str | None:
        """Return the scalar value of an attribute of the statement, or None."""
        for part in (self.before, self.after):
            for key, equal, value in zip(part, part[1:], part[2:]):
                if str(key) == name and equal.type == "EQUAL" and value.type in _WORD_TYPES:
                    return str(value)
        return None

    def _sources(self) -> list[str]:
        """Return the names in the `inputs` list of the statement."""
        found: list[str] = []
        for part in (self.before, self.after):
            words = [str(token) for token in part]
            start = next((i for i, word in enumerate(words) if word == "inputs"), len(words))
            end = next((i for i in range(start, len(words)) if words[i] == "]"), len(words))
            found += [str(token) for token in part[start + 1 : end] if token.type == "NAME"]
        return found

    def _attribute_before(self, index: int) -> Attribute | None:
        """Return the attribute whose value starts at an index of `before`."""
        if index < 2 or self.before[index - 1].type != "EQUAL":
            return None
        return self.statement.attribute(str(self.before[index - 2]))

    def _value(self, text: str, detail: str = "") -> Completion:
        return Completion(text, "value", self.span, text, detail=detail)

    # Values

    def _values(self, attribute: Attribute) -> Iterator[Completion]:
        keyword = self.statement.keyword
        suggestion = suggested_value(self.analysis, keyword, self.name, attribute, self.level)
        if attribute.name == "peers":  # training writes them
            return
        if attribute.type == "edges":
            names = likely_sources(
                self.analysis, keyword, self.name, self.level, _start(self.before[0])
            )
            yield self._value(f"[{', '.join(names)}]", attribute.meaning)
            return
        if attribute.name == "level":
            yield self._value("0", "a stem")
            for level in range(1, attribute.high + 1):
                yield self._value(str(level), "a block of residual modules")
            return
        if suggestion:
            yield self._value(suggestion, "default" if attribute.default else "")
        for choice in attribute.choices:
            if choice != suggestion:
                yield self._value(choice)

    def _items(self, attribute: Attribute, before: Sequence[Token]) -> Iterator[Completion]:
        if attribute.type != "edges":
            return
        end = next((i for i, t in enumerate(self.after) if t.type == "RSQB"), 0)
        listed = [str(token) for token in (*before, *self.after[:end]) if token.type == "NAME"]
        combine = self._written("combine") or "mean"
        keyword = self.statement.keyword
        if attribute.name == "peers":
            names = [
                node.name
                for node in self.analysis.network.nodes
                if (self.level is None or node.level < self.level)
                and node.name not in (*listed, self.name)
            ]
        else:
            excluded = [*listed, self.name]
            names = fitting_sources(self.analysis, keyword, self.level, combine, excluded)
        nodes = {node.name: node for node in self.analysis.network.nodes}
        names.sort(key=lambda name: -nodes[name].level if name in nodes else 0)
        for name in names:
            is_input = self.analysis.definitions[name].keyword.text == "input"
            cost = self.analysis.node_costs.get(name)
            level = f"level {nodes[name].level}" if name in nodes else ""
            shape = shape_text(cost.shape) if cost is not None else ""
            yield Completion(
                name,
                "input" if is_input else "node",
                self.span,
                name,
                detail=", ".join(filter(None, (level, shape))) or ("input" if is_input else ""),
            )

    def _new_names(self) -> Iterator[Completion]:
        """Yield the names that are read but not defined."""
        if self.statement.keyword == "network":
            return
        for name in self.analysis.readers:
            if name not in self.analysis.definitions:
                kind: CompletionKind = "input" if self.statement.keyword == "input" else "node"
                yield Completion(name, kind, self.span, name, detail="is read, but not defined")

    # Attributes and statements

    def _attributes_and_keywords(self) -> Iterator[Completion]:
        around = (*self.before, *self.after)
        written = {str(a) for a, b in itertools.pairwise(around) if b.type == "EQUAL"}
        if self.after and self.after[0].type == "EQUAL":  # The word is the name of an attribute.
            yield from self._attributes(written, is_renamed=True)
            return
        keyword = self.statement.keyword
        unused = unused_attributes(self.analysis, keyword, self.level, self._sources())
        missing = [
            a for a in self.statement.attributes if a.required and a.name not in written | {*unused}
        ]
        keywords_first = self.starts_line and not missing
        if keywords_first:
            yield from self._keywords()
        yield from self._attributes(written)
        if not keywords_first and (self.starts_line or not missing):
            yield from self._keywords()

    def _attributes(self, written: set[str], *, is_renamed: bool = False) -> Iterator[Completion]:
        kind = self.statement
        unused = unused_attributes(self.analysis, kind.keyword, self.level, self._sources())
        left = [a for a in kind.attributes if a.name not in written | {*unused}]
        for attribute in sorted(left, key=lambda a: not a.required):
            text, snippet = (attribute.name, "") if is_renamed else self._assignment(attribute)
            yield Completion(
                attribute.name,
                "attribute",
                self.span,
                text,
                snippet,
                detail=text if text != attribute.name else attribute.meaning,
                documentation="\n".join(attribute_lines(attribute, kind.keyword)),
            )

    def _assignment(self, attribute: Attribute) -> tuple[str, str]:
        """Return `name=value`, and the same with the value as a field."""
        name, keyword = attribute.name, self.statement.keyword
        if attribute.type in ("edges", "strings"):
            return f"{name}=[]", f"{name}=[$1]"
        if attribute.type == "string":
            return f'{name}=""', f'{name}="$1"'
        value = suggested_value(self.analysis, keyword, self.name, attribute, self.level)
        return f"{name}={value}", f"{name}=${{1:{value}}}" if value else f"{name}=$1"

    def _keywords(self) -> Iterator[Completion]:
        present = {statement.keyword.text for statement in self.analysis.tree.statements}
        words = [k for k in KEYWORDS if STATEMENTS[k].many or k not in present]
        if "anet" in words and not self.before:
            words = ["anet"]  # The first statement.
        for keyword in words:
            if keyword == "anet" and self.before:
                continue
            kind = STATEMENTS[keyword]
            text, snippet = self._whole(kind)
            yield Completion(keyword, "keyword", self.span, text, snippet, detail=kind.meaning)

    def _whole(self, kind: Statement) -> tuple[str, str]:
        """Return the keyword, and a snippet of the statement with its required attributes."""
        if kind.keyword == "anet":
            return f"anet {LANGUAGE_VERSION}", ""
        fields = iter(range(1, 20))
        parts = [kind.keyword + (f" ${{{next(fields)}:name}}" if kind.named else "")]
        for attribute in kind.attributes:
            if attribute.required:
                value = suggested_value(self.analysis, kind.keyword, "", attribute, None)
                field = f"${{{next(fields)}:{value}}}" if value else f"${next(fields)}"
                is_list = attribute.type == "edges"
                parts.append(f"{attribute.name}={f'[{field}]' if is_list else field}")
        snippet = "  ".join(parts)
        return kind.keyword, snippet if snippet != kind.keyword else ""


def _starts_statement(tokens: Sequence[Token], index: int) -> bool:
    """Return whether a token is a keyword that starts a statement, not one in place of a name."""
    if tokens[index].type not in _KEYWORD_TYPES:
        return False
    return index == 0 or tokens[index - 1].type not in ("EQUAL", "COMMA", "LSQB", "AT")


def _open_list(tokens: Sequence[Token]) -> int | None:
    """Return the index of the `[` that is not closed, or None."""
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index].type == "RSQB":
            return None
        if tokens[index].type == "LSQB":
            return index
    return None
