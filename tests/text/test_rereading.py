"""A text read again after edits: as if it were read anew."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anetdsl.api import parse
from anetdsl.checking import check_source
from anetdsl.ir import Network
from anetdsl.rereading import read, reread
from anetdsl.source import Edit, SourceFile, Span
from anetdsl.text.edits import apply
from tests.strategies import EXAMPLES

TABLE_4 = (EXAMPLES[0].parent / "assemblenet.anet").read_text(encoding="utf-8")


@functools.lru_cache(maxsize=100)
def meaning(text: str) -> Network:
    return parse(text)


def holds(text: str, edits: list[Edit]) -> bool | None:
    """Whether reading again gives what reading anew does; None where it gives nothing."""
    reading = read(text)
    if reading is None:
        return None
    assert reading.network == meaning(text)
    new = apply(text, edits)
    again = reread(reading, edits)
    if again is None:
        return None
    assert again.text == new
    checked = check_source(SourceFile("", new))
    assert not checked.diagnostics
    assert checked.network == again.network
    # What was read again can be read again, and so on: its pieces are those of the new text.
    anew = read(new)
    assert anew is not None
    assert again.pieces == anew.pieces
    return True


CLEAN = [
    path.read_text(encoding="utf-8")
    for path in EXAMPLES
    if read(path.read_text(encoding="utf-8")) is not None
]
LAYOUTS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "one line": lambda text: re.sub(r"\s+", " ", re.sub("#.*", "", text)),
    "comments": lambda text: re.sub("(?m)$", "  # node n1 C=3", text),
    "indented": lambda text: re.sub("(?m)^", "   ", text),
    "other line ends": lambda text: text.replace("\n", "\r\n"),
    "a word a line": lambda text: re.sub(" +", "\n", re.sub("#.*", "", text)),
}
FRAGMENTS = [
    "",
    " ",
    "  ",
    "\n",
    "\r",
    "n4",
    "n5, n6",
    "1",
    "0",
    "64",
    "x",
    "@0.5",
    "@2",
    ", n5",
    "# c",
]
FRAGMENTS += [
    "# c\n",
    '"',
    "[",
    "]",
    "=",
    "r=2",
    " r=2 ",
    "_a",
    "\ufeff",
    "# anetc: allow A602\n",
    "s0",
]
FRAGMENTS += [
    "\nnode n20 level=3 C=1 r=1 stride=2 inputs=[n4]\n",
    "node",
    "sink",
    "anet 1\n",
    ",",
    "é",
]


@st.composite
def edits_of(draw: st.DrawFn, text: str) -> list[Edit]:
    """Edits at any places, mostly where tokens start or end; none overlaps another."""
    bounds = [m.start() for m in re.finditer(r"\b|(?<=\W)|$", text)]
    place = st.sampled_from(bounds) | st.integers(0, len(text))
    count = draw(st.integers(1, 3))
    spots = sorted(draw(st.lists(place, min_size=2 * count, max_size=2 * count)))
    near = draw(st.booleans())
    found: list[Edit] = []
    for first, second in zip(spots[::2], spots[1::2]):
        end = min(second, first + draw(st.integers(0, 6))) if near else second
        found.append(Edit(Span(first, end), draw(st.sampled_from(FRAGMENTS))))
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    text = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](draw(st.sampled_from(CLEAN)))
    return text, draw(edits_of(text))


def test_there_is_something_to_test() -> None:
    assert len(CLEAN) >= 10
    for name, layout in LAYOUTS.items():
        assert read(layout(TABLE_4)) is not None, name


@settings(max_examples=400)
@given(cases())
def test_any_edits(case: tuple[str, list[Edit]]) -> None:
    holds(*case)


SHORT = """\
anet 1
network d D=[2, 4, 8, 16]  # so
input rgb channels=3
origin  ops=["a  b"]
node s level=0 C=4 r=1 stride=4 inputs=[rgb]
node a  level=1  C=4  r=1  stride=1  inputs=[s]
node b level=2 C=8 r=1 stride=2 inputs=[a, s]
node c level=3 C=16 r=1 stride=2 inputs=[b]
node d level=4 C=16 r=1 stride=2 inputs=[c]
sink  inputs=[d] classes=3
"""


def test_every_character_and_every_gap() -> None:
    """Spaces put anywhere, any one or two characters taken away."""
    again = 0
    for place in range(len(SHORT) - 1):
        for length, text in [(0, " "), (1, ""), (2, " ")]:
            again += bool(holds(SHORT, [Edit(Span(place, place + length), text)]))
    assert again > 150


def test_two_edits_of_one_gap() -> None:
    for match in re.finditer(" +", SHORT):
        for one in range(match.start(), match.end()):
            for two in range(one + 1, match.end()):
                holds(SHORT, [Edit(Span(one, one + 1), ""), Edit(Span(two, two + 1), "")])
                holds(SHORT, [Edit(Span(one, one + 1), ""), Edit(Span(two, two), " ")])
                holds(SHORT, [Edit(Span(one, one), " "), Edit(Span(two, two + 1), "")])


VALUES = st.sampled_from(
    ["1", "2", "64", "[n4]", "[n5, n4]", "[s0@0.5, n4]", "[n4@0.25, n5@1e-3]", "[]"]
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 200), VALUES), min_size=1, max_size=4), st.data())
def test_new_values(chosen: list[tuple[int, str]], data: st.DataObject) -> None:
    """Whole values of attributes, which is what most edits of a search are."""
    text = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))](TABLE_4)
    spans = [match.span(1) for match in re.finditer(r"=\s*(\[[^\]]*\]|\d+)", text)]
    by_place = {spans[index % len(spans)]: value for index, value in chosen}
    holds(text, [Edit(Span(*span), value) for span, value in by_place.items()])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("C=64   r=1", "C=128  r=1"),
        ("C=64   r=1", "C=64     r=1"),
        ("inputs=[n4, n5]\nnode n8", "inputs=[n4]\nnode n8"),
        ("inputs=[n4, n5]\nnode n8", "inputs=[n4@0.25, n5@0.75]\nnode n8"),
        ("network assemblenet\n", 'network g0001\norigin  parent="x"  ops=["a", "b"]\n'),
        ("node n8   level=2  C=64   r=2  stride=2  inputs=[n4, n5]\n", ""),
    ],
)
def test_what_a_search_changes_is_read_again(old: str, new: str) -> None:
    start = TABLE_4.index(old)
    reading = read(TABLE_4)
    assert reading is not None
    edits = [Edit(Span(start, start + len(old)), new)]
    again = reread(reading, edits)
    expected = check_source(SourceFile("", apply(TABLE_4, edits)))
    assert (again is None) == bool(expected.diagnostics)
    assert holds(TABLE_4, edits) is (None if again is None else True)


def test_many_generations_of_random_values() -> None:
    rng = Random(1)
    reading = read(TABLE_4)
    for _ in range(200):
        assert reading is not None
        spans = [m.span(1) for m in re.finditer(r" r=(\d+)", reading.text)]
        chosen = rng.sample(spans, 3)
        reading = reread(
            reading, [Edit(Span(*s), str(rng.choice([1, 2, 4, 8, 16]))) for s in chosen]
        )
        assert reading is not None
        assert reading.network == parse(reading.text)
