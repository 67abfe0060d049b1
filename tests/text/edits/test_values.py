"""Edit lists, edges and attributes without changes elsewhere."""

from __future__ import annotations

import functools

import pytest

from anetdsl.ir import Edge
from anetdsl.source import Span
from anetdsl.text import edits
from anetdsl.text.edits import Edit, apply, invert
from tests.text.edits.cases import edited, on

# Applying


def test_only_the_order_of_insertions_at_one_place_matters():
    """A deletion may be adjacent to insertions on both sides."""
    text = "abcdef"
    a, b = Edit(Span(1, 1), "1"), Edit(Span(1, 1), "2")
    deletion, end = Edit(Span(1, 3), ""), Edit(Span(3, 3), "!")
    assert apply(text, [a, b, deletion, end]) == "a12!def"
    assert apply(text, [end, deletion, b, a]) == "a21!def"
    assert apply(text, []) == text


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 2), (1, 3)], "two edits overlap at character 1"),
        ([(0, 2), (0, 2)], "two edits overlap at character 0"),
        ([(0, 3), (1, 1)], "two edits overlap at character 1"),
        ([(2, 4)], "edit of characters 2 to 4 of a text of 3"),
        ([(2, 1)], "edit of characters 2 to 1"),
        ([(-1, 1)], "edit of characters -1 to 1"),
    ],
)
def test_edits_that_overlap_or_are_outside_of_the_text_are_refused(spans, message):
    """`apply` and `invert` raise ValueError with the place."""
    wrong = [Edit(Span(*span), "x") for span in spans]
    with pytest.raises(ValueError, match=message):
        apply("abc", wrong)
    with pytest.raises(ValueError, match=message):
        invert("abc", wrong)


# Lists

LISTS = [
    # a plain list
    ("[a, b, c]", ["a", "c"], "[a, c]"),
    ("[a, b, c]", ["b", "c"], "[b, c]"),
    ("[a, b, c]", ["a", "b"], "[a, b]"),
    ("[a, b, c]", [], "[]"),
    ("[ a ]", [], "[]"),
    ("[]", ["a", "b"], "[a, b]"),
    ("[ ]", ["a"], "[a]"),
    ("[a]", ["a", "b@0.5"], "[a, b@0.5]"),
    ("[a]", ["b", "a"], "[b, a]"),
    ("[a,c]", ["a", "b", "c"], "[a, b,c]"),
    ("[a, b]", ["c"], "[c]"),
    ("[a, b, c, d]", ["x", "b", "y", "z", "d", "w"], "[x, b, y, z, d, w]"),
    # a last comma is kept, and not added
    ("[a, b,]", ["a"], "[a,]"),
    ("[a,]", ["a", "b"], "[a, b,]"),
    ("[a,]", ["b"], "[b,]"),
    ("[a,]", [], "[]"),
    # weights: an equal one stays as it is written
    ("[a@.50, b@0.5]", ["a@0.5", "b"], "[a@.50, b]"),
    ("[a, b @ 0.5]", ["a@0.25", "b@0.75"], "[a@0.25, b @ 0.75]"),
    ("[a # c\n @ 0.5]", ["a"], "[a # c\n  ]"),
    # a repeated item
    ("[a, a, b]", ["a", "b"], "[a, b]"),
    # one item per line
    ("[\n  a, # of a\n  b, # of b\n]", ["b"], "[\n  b, # of b\n]"),
    ("[\n  a, # of a\n  b, # of b\n]", ["a"], "[\n  a, # of a\n]"),
    ("[\n  a, # of a\n  b, # of b\n]", ["a", "c", "b"], "[\n  a, # of a\n  c,\n  b, # of b\n]"),
    ("[\n  a, # of a\n  b # of b\n]", ["a", "b", "c"], "[\n  a, # of a\n  b, # of b\n  c\n]"),
    ("[\n  a, # of a\n  b # of b\n]", ["a"], "[\n  a # of a\n]"),
    ("[\n  a,\n]", ["b", "a"], "[\n  b,\n  a,\n]"),
    ("[\n  a,\n  b,\n]", ["c", "d"], "[\n  c,\n  d,\n]"),
    # comments on their own lines belong to the list
    ("[\n  # one\n  a,\n  # two\n  b,\n]", ["b"], "[\n  # one\n  # two\n  b,\n]"),
    ("[\n  # one\n  a,\n  # two\n  b,\n]", [], "[\n  # one\n  # two\n]"),
    ("[\n  # one\n  a,\n  # two\n  b,\n]", ["c"], "[\n  # one\n  # two\n  c,\n]"),
    ("[ # lead\n  a, b]", ["b"], "[ # lead\n  b]"),
    ("[ # lead\n  a]", [], "[ # lead\n  ]"),
    # no item may end up after a comment on its line
    ("[a, # of a\n  b]", ["a"], "[a # of a\n  ]"),
    ("[a, # of a\n  b, c]", ["a", "c"], "[a, # of a\n  c]"),
    ("[a # of a\n  , b]", ["a", "b", "c"], "[a # of a\n  , b, c]"),
    ("[a # of a\n]", ["a", "b"], "[a, # of a\n    b\n]"),
    ("[a, b, # of b\n  c]", ["a", "c"], "[a,\n  c]"),
    # several items per line: the line breaks stay
    ("[\n  a, b,\n  c, d,\n]", ["a", "b", "d"], "[\n  a, b,\n  d,\n]"),
    ("[\n  a, b,\n  c, d,\n]", ["a", "b", "c", "x", "d"], "[\n  a, b,\n  c, x, d,\n]"),
]


@pytest.mark.parametrize(("before", "items", "after"), LISTS)
def test_only_changed_items_of_a_list_are_edited(before, items, after):
    """Commas, comments and line breaks of the other items stay."""
    text = f"node n C=1 inputs={before} # end"
    new = edited(text, on(edits.set_attribute), "inputs", items)
    assert new == f"node n C=1 inputs={after} # end"


def test_edges_are_set_added_weighted_and_removed():
    """Each function changes the same list in one way."""
    text = "node n inputs=[a, b@0.25]"
    node = functools.partial(on, name="n")
    assert edited(text, node(edits.add_edge), Edge("c", 0.5)) == "node n inputs=[a, b@0.25, c@0.5]"
    assert edited(text, node(edits.remove_edge), "a") == "node n inputs=[b@0.25]"
    assert edited(text, node(edits.set_weight), "a", 1e-7) == "node n inputs=[a@1e-07, b@0.25]"
    assert edited(text, node(edits.set_weight), "b", None) == "node n inputs=[a, b]"
    new = [Edge("b"), Edge("a", 0.5)]
    assert edited(text, node(edits.set_edges), new) == "node n inputs=[b, a@0.5]"
    assert edited("sink", on(edits.add_edge, "sink"), Edge("a")) == "sink  inputs=[a]"
    for builder in (edits.remove_edge, edits.set_weight):
        with pytest.raises(KeyError, match="z"):
            edited(
                text, functools.partial(node(builder)), "z", *[None][: builder is edits.set_weight]
            )


def test_strings_of_a_list_may_contain_any_characters():
    """An `@` within a string does not start a weight."""
    text = 'origin ops=["a@b", "c, d"]'
    new = edited(text, on(edits.set_attribute, "origin"), "ops", ['"c, d"', '"e@f"'])
    assert new == 'origin ops=["c, d", "e@f"]'


# Attributes

ATTRIBUTES = [
    # set
    ("node n level=1 C=64 r=2", {"C": "32"}, "node n level=1 C=32 r=2"),
    ("node n level=1 C=64 r=2", {"C": "64"}, "node n level=1 C=64 r=2"),
    ("node n C=64 C=32", {"C": "1"}, "node n C=1 C=32"),
    ("node n inputs=3", {"inputs": ["a", "b"]}, "node n inputs=[a, b]"),
    ("node n inputs=[a]", {"inputs": "b"}, "node n inputs=b"),
    # in a table the columns stay in place if there is enough space
    ("node n  C=128  r=2  # c", {"C": "64"}, "node n  C=64   r=2  # c"),
    ("node n  C=64    r=2", {"C": "1024"}, "node n  C=1024  r=2"),
    ("node n  C=64  r=2", {"C": "128"}, "node n  C=128  r=2"),
    ("node n  C=64  r=128  # c", {"r": "2"}, "node n  C=64  r=2  # c"),
    ("score  top1=12.5  loss=1", {"top1": "9"}, "score  top1=9  loss=1"),
    # added in the canonical place
    ("node n level=1 r=2", {"C": "32"}, "node n level=1 C=32 r=2"),
    ("node n r=2 # c", {"level": "3"}, "node n level=3 r=2 # c"),
    ("node n level=1 r=2 # c", {"stride": "3"}, "node n level=1 r=2 stride=3 # c"),
    ("node n", {"r": "1", "level": "0"}, "node n  level=0  r=1"),
    ("sink", {"inputs": ["a"]}, "sink  inputs=[a]"),
    ("node n r=2 level=1 x=0", {"C": "3", "y": "1"}, "node n r=2 level=1 C=3 x=0 y=1"),
    ("node n\n  level=1\n  r=2", {"C": "3"}, "node n\n  level=1\n  C=3\n  r=2"),
    ("node n level=1 # c\n  r=2", {"C": "3"}, "node n level=1 # c\n    C=3\n  r=2"),
    # removed
    ("node n level=1 C=2 r=3", {"C": None}, "node n level=1 r=3"),
    ("node n level=1 C=2 # c", {"C": None}, "node n level=1 # c"),
    ("node n level=1 C=2 r=3", {"level": None, "C": None}, "node n r=3"),
    ("node n level=1 C=2 r=3", {"level": None, "C": None, "r": None}, "node n"),
    ("node n C=1 C=2", {"C": None}, "node n"),
    ("node n", {"C": None}, "node n"),
    ("node n level=1\n  C=2 # of C\n  r=3", {"C": None}, "node n level=1\n  r=3"),
    ("node n level=1 # of level\n  C=2 r=3", {"C": None}, "node n level=1 # of level\n  r=3"),
    ("node n level=1 # of level\n  C=2", {"C": None}, "node n level=1 # of level"),
    ("node n level=1\n  # stays\n  C=2", {"C": None}, "node n level=1\n  # stays"),
    ("node n level=1\n  C=2 # of C\nsink", {"C": None}, "node n level=1\nsink"),
    ("node n # c\n  C=2 sink", {"C": None}, "node n # c\n  sink"),
    # adjacent words get a space between them
    ("node n C=[1]r=2", {"level": "1"}, "node n level=1 C=[1]r=2"),
    ("node n C=[1]r=2", {"C": "1"}, "node n C=1 r=2"),
    ("node n level=1 C=[1]r=2", {"C": None}, "node n level=1 r=2"),
    ("node n C=[1]sink", {"r": "2"}, "node n C=[1] r=2 sink"),
    ("node n C=[1]sink", {"C": None}, "node n sink"),
    # at once
    ("node n level=1 C=2 r=3", {"C": None, "r": "4", "stride": "1"}, "node n level=1 r=4 stride=1"),
    ("node n level=1 C=2", {"C": None, "r": "4"}, "node n level=1 r=4"),
]


@pytest.mark.parametrize(("before", "values", "after"), ATTRIBUTES)
def test_attributes_are_set_added_and_removed(before, values, after):
    """New attributes are added at their canonical place with the gaps of the statement."""
    keyword = before.split()[0]
    assert edited(before, on(edits.set_attributes, keyword), values) == after


def test_one_attribute_is_set_or_removed():
    """`set_attribute` and `remove_attribute` change a single attribute."""
    assert edited("node n C=1", on(edits.set_attribute), "C", "2") == "node n C=2"
    assert edited("node n C=1", on(edits.remove_attribute), "C") == "node n"
