"""Lark's scanner and parse tables, run by loops that do nothing but what this language needs.

Lark's own loops keep lines, columns and states that nobody asks for, which is most of the time of
reading a text. Where a text does not fit, Lark's parser is asked what would have fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
from lark import Lark, Token
from lark.lexer import BasicLexer
from lark.parsers.lalr_analysis import Shift

Reduction = tuple[int, Callable[[list[Any]], Any], str]
"""How many values a rule takes from the stack, what it makes of them, and the rule's name."""


@attrs.frozen
class Scanner:
    """The expression that finds the next token, and the words that have a type of their own."""

    tokens: Callable[[str], Iterator[Any]]
    keywords: dict[str, str]

    @classmethod
    def of(cls, lexer: BasicLexer) -> Scanner:
        """What Lark has made of the grammar's terminals."""
        scanner = lexer.scanner
        (expression,) = scanner._mres
        callback: Any
        (callback,) = lexer.callback.values()
        keywords = {
            terminal.pattern.value: terminal.name for terminal in callback.scanner.terminals
        }
        return cls(expression.finditer, keywords)

    def scan(self, text: str) -> Iterator[Token]:
        """The tokens of a text. The grammar has one for every character."""
        keywords, new = self.keywords, str.__new__
        end = 0
        for match in self.tokens(text):
            start, end = end, match.end()
            value = match[0]
            token = new(Token, value)
            token.type = keywords.get(value) or match.lastgroup
            token.value = value
            token.start_pos = start
            token.end_pos = end
            token.line = token.column = token.end_line = token.end_column = None
            yield token


@attrs.frozen
class Machine:
    """The LALR automaton of one start rule."""

    start: int
    end: int
    shifts: dict[int, dict[str, int]]
    """By state and the type of what comes, the state that follows."""
    reductions: dict[int, dict[str, Reduction]]

    @classmethod
    def of(cls, lark: Lark, rule: str) -> Machine:
        """The automaton that Lark has built, with the functions that build the tree."""
        parser = lark.parser.parser.parser
        table, callbacks = parser.parse_table, parser.callbacks
        shifts: dict[int, dict[str, int]] = {}
        reductions: dict[int, dict[str, Reduction]] = {}
        for state, actions in table.states.items():
            shifts[state], reductions[state] = {}, {}
            for kind, (action, what) in actions.items():
                if action is Shift:
                    shifts[state][kind] = what
                else:
                    size = len(what.expansion)
                    reductions[state][kind] = (size, callbacks[what], what.origin.name)
        return cls(table.start_states[rule], table.end_states[rule], shifts, reductions)

    def run(self, tokens: Sequence[Token]) -> Any:
        """What the tokens are by the rule, or None where they do not fit it."""
        shifts, reductions = self.shifts, self.reductions
        state = self.start
        states, values = [state], list[Any]()
        for token in (*tokens, None):
            kind = "$END" if token is None else token.type
            while (following := shifts[state].get(kind)) is None:
                if (reduction := reductions[state].get(kind)) is None:
                    return values[-1] if state == self.end and token is None else None
                size, build, name = reduction
                first = len(values) - size
                values[first:] = (build(values[first:]),)
                del states[first + 1 :]
                state = shifts[states[-1]][name]
                states.append(state)
            state = following
            states.append(state)
            values.append(token)
        return None
