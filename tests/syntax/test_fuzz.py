"""Commands that need no torch, on random bytes and damaged examples: no traceback, valid results.

`make test` tries 300 inputs, the slow variant 10,000.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import lark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anetdsl.checking import check_file
from anetdsl.source import SourceFile
from anetdsl.syntax.grammar import load_parser
from anetdsl.syntax.parser import tokenize
from tests.command_line import anetc

FOLDER = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.anet"))]
DOCUMENTS = [
    json.dumps([[-1, 4], [-2, 1], [0, [0, 1], 64, 1, 1, 0], [3, [0, 2], 512, 1, 2, 0]]),
    json.dumps({"structure": [[-1, 4], [3, [0], 512, 1, 2, 0]], "weights": [[], [0.5]]}),
    json.dumps([[-1, 1], [-3, 0], [0, [0, 1], 32, 1, 1, 0], [3, [0, 1, 2], 512, 1, 2, 0]]),
]
COMMANDS = (
    ("check",),
    ("check", "--format", "concise", "--search"),
    ("check", "--format", "json"),
    ("fmt",),
    ("fmt", "--check", "--diff"),
    ("stats", "--size", "32", "--frames", "4"),
    ("diff", str(FOLDER / "small_assemblenet.anet")),
    ("dump",),
    ("export",),
    ("import",),
    ("render", "--format", "dot", "-o", "-", "--weights"),
)


@st.composite
def damaged(draw: st.DrawFn, pieces: list[str]) -> bytes:
    """Delete, double or swap one to three pieces of a text."""
    pieces = list(pieces)
    for _ in range(draw(st.integers(1, 3))):
        places = st.integers(0, max(0, len(pieces) - 1))
        place, other = draw(places), draw(places)
        match draw(st.sampled_from(["delete", "double", "swap"])):
            case "delete":
                del pieces[place : place + 1]
            case "double":
                pieces[place:place] = pieces[place : place + 1]
            case "swap" if pieces:
                pieces[place], pieces[other] = pieces[other], pieces[place]
    return "".join(pieces).encode()


@functools.cache
def tokens(text: str) -> list[str]:
    return list(map(str, tokenize(text)))


@functools.cache
def words(text: str) -> list[str]:
    """Return tokens with the space after them, so that damage does not join tokens."""
    return re.findall(r'(?:#[^\n]*|"[^"\n]*"|[\w.]+|[^\w\s])\s*', text)


DAMAGED_EXAMPLES = st.sampled_from(EXAMPLES).flatmap(lambda text: damaged(words(text)))
JOINED_EXAMPLES = st.sampled_from(EXAMPLES).flatmap(lambda text: damaged(tokens(text)))
DAMAGED_DOCUMENTS = st.sampled_from(DOCUMENTS).flatmap(lambda text: damaged(words(text)))
BYTES = st.binary(max_size=200) | st.text(max_size=100).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
INPUTS = st.one_of(DAMAGED_EXAMPLES, DAMAGED_EXAMPLES, JOINED_EXAMPLES, BYTES, DAMAGED_DOCUMENTS)


@functools.cache
def whole_grammar() -> lark.Lark:
    return load_parser(lark.Transformer())


def follows_the_grammar(text: str) -> bool:
    try:
        whole_grammar().parse(text, start="file")
    except lark.UnexpectedInput:
        return False
    return True


def check_all_commands(data: bytes) -> None:
    """Assert that all commands have valid exit codes and safe output, and that they agree."""
    results = {command: anetc(*command, "-", stdin=data) for command in COMMANDS}
    for command, result in results.items():
        assert result.code in (0, 1, 2), command
        assert "internal error" not in result.err, (command, result.err)
        assert "Traceback" not in result.err, (command, result.err)
        output = result.err + (result.out if command[:2] != ("fmt",) else "")
        if command[0] in ("check", "stats"):
            assert all(char == "\n" or char.isprintable() for char in output), command
    checked = check_file("<stdin>", data=data)
    text = checked.source.text
    usable = checked.network is not None
    assert results["check",].code == bool(checked.diagnostics)
    readers = ("stats", "diff", "dump", "render")
    assert {results[c].code for c in COMMANDS if c[0] in readers} == {0 if usable else 1}
    grammatical = follows_the_grammar(text) and "A109" not in {d.code for d in checked.diagnostics}
    # The parser also refuses `sink sink`, which is two statements to the grammar.
    assert grammatical or results["fmt",].code == 1
    if usable:
        assert grammatical
        assert results["fmt",].code == 0
        assert anetc("import", "-", stdin=results["dump",].data).code == 0


@settings(max_examples=100)
@given(INPUTS)
def test_commands_on_random_input(data: bytes) -> None:
    check_all_commands(data)


@pytest.mark.slow
@settings(max_examples=10_000)
@given(INPUTS)
def test_commands_on_much_random_input(data: bytes) -> None:
    check_all_commands(data)


def test_undamaged_examples_follow_the_grammar() -> None:
    for text in EXAMPLES:
        assert follows_the_grammar(text)
        assert check_file("x", data=text.encode()).network is not None
        assert "".join(tokens(text)) == text == "".join(words(text))
        assert SourceFile("x", text).line_count > 10
