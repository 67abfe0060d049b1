"""Edits of texts: what each builder changes, and that it leaves everything else alone."""

from __future__ import annotations

import functools

import pytest

from anetdsl import edits
from anetdsl.edits import Edit, apply, find, invert
from anetdsl.ir import Edge, Node, Origin, Score
from anetdsl.source import SourceFile, Span
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax


def tree_of(text: str) -> SyntaxTree:
    tree = parse_syntax(SourceFile("text", text))
    assert not tree.diagnostics
    return tree


def edited(text, builder, *arguments) -> str:
    """The text after the edits of one builder; it still parses, and the edits can be undone."""
    made = builder(tree_of(text), *arguments)
    after = apply(text, made)
    tree_of(after)
    assert apply(after, invert(text, made)) == text
    return after


def on(builder, keyword="node", name=None):
    """The builder, with the statement that it changes found by its keyword and name."""

    @functools.wraps(builder)
    def build(tree, *arguments):
        return builder(tree, find(tree, keyword, name), *arguments)

    return build


# Applying


def test_edits_apply_in_any_order_and_insertions_at_one_place_in_the_given_one():
    """A deletion may touch insertions on both sides."""
    text = "abcdef"
    a, b = Edit(Span(1, 1), "1"), Edit(Span(1, 1), "2")
    deletion, end = Edit(Span(1, 3), ""), Edit(Span(3, 3), "!")
    assert apply(text, [a, b, deletion, end]) == "a12!def"
    assert apply(text, [end, deletion, b, a]) == "a21!def"
    assert apply(text, []) == text


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([(0, 2), (1, 3)], "two edits overlap at character 1"),
        ([(0, 2), (0, 2)], "two edits overlap at character 0"),
        ([(0, 3), (1, 1)], "two edits overlap at character 1"),
        ([(2, 4)], "edit of characters 2 to 4 of a text of 3"),
        ([(2, 1)], "edit of characters 2 to 1"),
        ([(-1, 1)], "edit of characters -1 to 1"),
    ],
)
def test_edits_that_overlap_or_leave_the_text_are_refused(spans, said):
    """By `apply` and by `invert`, with the place."""
    wrong = [Edit(Span(*span), "x") for span in spans]
    with pytest.raises(ValueError, match=said):
        apply("abc", wrong)
    with pytest.raises(ValueError, match=said):
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
    # a last comma stays, or stays away
    ("[a, b,]", ["a"], "[a,]"),
    ("[a,]", ["a", "b"], "[a, b,]"),
    ("[a,]", ["b"], "[b,]"),
    ("[a,]", [], "[]"),
    # weights: an equal one stays as it is written
    ("[a@.50, b@0.5]", ["a@0.5", "b"], "[a@.50, b]"),
    ("[a, b @ 0.5]", ["a@0.25", "b@0.75"], "[a@0.25, b @ 0.75]"),
    ("[a # c\n @ 0.5]", ["a"], "[a # c\n  ]"),
    # a twin
    ("[a, a, b]", ["a", "b"], "[a, b]"),
    # one item a line
    ("[\n  a, # of a\n  b, # of b\n]", ["b"], "[\n  b, # of b\n]"),
    ("[\n  a, # of a\n  b, # of b\n]", ["a"], "[\n  a, # of a\n]"),
    ("[\n  a, # of a\n  b, # of b\n]", ["a", "c", "b"], "[\n  a, # of a\n  c,\n  b, # of b\n]"),
    ("[\n  a, # of a\n  b # of b\n]", ["a", "b", "c"], "[\n  a, # of a\n  b, # of b\n  c\n]"),
    ("[\n  a, # of a\n  b # of b\n]", ["a"], "[\n  a # of a\n]"),
    ("[\n  a,\n]", ["b", "a"], "[\n  b,\n  a,\n]"),
    ("[\n  a,\n  b,\n]", ["c", "d"], "[\n  c,\n  d,\n]"),
    # comments on lines of their own are the list's
    ("[\n  # one\n  a,\n  # two\n  b,\n]", ["b"], "[\n  # one\n  # two\n  b,\n]"),
    ("[\n  # one\n  a,\n  # two\n  b,\n]", [], "[\n  # one\n  # two\n]"),
    ("[\n  # one\n  a,\n  # two\n  b,\n]", ["c"], "[\n  # one\n  # two\n  c,\n]"),
    ("[ # lead\n  a, b]", ["b"], "[ # lead\n  b]"),
    ("[ # lead\n  a]", [], "[ # lead\n  ]"),
    # nothing may come to stand behind a comment
    ("[a, # of a\n  b]", ["a"], "[a # of a\n  ]"),
    ("[a, # of a\n  b, c]", ["a", "c"], "[a, # of a\n  c]"),
    ("[a # of a\n  , b]", ["a", "b", "c"], "[a # of a\n  , b, c]"),
    ("[a # of a\n]", ["a", "b"], "[a, # of a\n    b\n]"),
    ("[a, b, # of b\n  c]", ["a", "c"], "[a,\n  c]"),
    # several items a line: the lines stay
    ("[\n  a, b,\n  c, d,\n]", ["a", "b", "d"], "[\n  a, b,\n  d,\n]"),
    ("[\n  a, b,\n  c, d,\n]", ["a", "b", "c", "x", "d"], "[\n  a, b,\n  c, x, d,\n]"),
]


@pytest.mark.parametrize(("before", "items", "after"), LISTS)
def test_lists_change_by_the_items_that_change(before, items, after):
    """Commas, comments and lines of a list, from one sequence of items to another."""
    text = f"node n C=1 inputs={before} # end"
    new = edited(text, on(edits.set_attribute), "inputs", items)
    assert new == f"node n C=1 inputs={after} # end"


def test_edges_are_set_added_weighted_and_removed():
    """The same list, by what an operator wants to do to it."""
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


def test_strings_of_a_list_may_hold_anything():
    """An `@` within a string is no weight."""
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
    # in a table the columns stay in place where there is room
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
    # words that touch no other
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
    """Each in its canonical place, with its comment, in the style of the statement."""
    keyword = before.split()[0]
    assert edited(before, on(edits.set_attributes, keyword), values) == after


def test_one_attribute_is_set_or_removed():
    """The same for a single one."""
    assert edited("node n C=1", on(edits.set_attribute), "C", "2") == "node n C=2"
    assert edited("node n C=1", on(edits.remove_attribute), "C") == "node n"


# Names

NAMES = """\
anet 1
network a  # of a
input a  channels=3
node s    level=0  inputs=[a]
node s_b  level=1  inputs=[s, x, s@0.5]  # s
sink inputs=[s_b, s]
"""


def test_a_node_is_renamed_wherever_it_stands():
    """In comments, in longer names and in a network's name it is not meant."""
    after = NAMES.replace("node s    level", "node s_c  level").replace("[s,", "[s_c,")
    after = after.replace(" s@", " s_c@").replace(" s]", " s_c]")
    assert edited(NAMES, edits.rename, "s", "s_c") == after
    assert edited(NAMES, edits.rename, "s", "s") == NAMES


def test_an_input_is_renamed_but_not_the_network():
    """Inputs share their names with nodes, not with the network."""
    after = NAMES.replace("input a", "input rgb").replace("[a]", "[rgb]")
    assert edited(NAMES, edits.rename, "a", "rgb") == after


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("s", "a", ValueError),
        ("s", "node", ValueError),
        ("s", "3d", ValueError),
        ("s", "", ValueError),
        ("x", "y", KeyError),
    ],
)
def test_names_that_are_taken_or_none_are_refused(old, new, error):
    """So is a name that nothing has."""
    with pytest.raises(error):
        edits.rename(tree_of(NAMES), old, new)


def test_the_network_is_renamed():
    """Only its own statement changes."""
    assert edited(NAMES, edits.set_network_name, "b") == NAMES.replace("network a", "network b")
    assert edited(NAMES, edits.set_network_name, "a") == NAMES
    with pytest.raises(ValueError, match="`a-b` cannot be a name"):
        edits.set_network_name(tree_of(NAMES), "a-b")
    with pytest.raises(KeyError, match="network"):
        edits.set_network_name(tree_of("anet 1"), "a")


# Statements

TABLE = """\
anet 1  # c
network demo

# stems
node s0   level=0  C=32   r=4  stride=4  inputs=[rgb]
# the second
node s1   level=0  C=32   r=4  stride=4  inputs=[rgb]  # behind s1

# about n4
node n4   level=1  C=128  r=4  stride=1  inputs=[s0]

sink  inputs=[n4]"""
N5 = Node("n5", 1, 64, 1, 1, (Edge("s0"), Edge("s1", 0.25)))
ROW = "node n5   level=1  C=64   r=1  stride=1  inputs=[s0, s1@0.25]\n"


@pytest.mark.parametrize(
    ("text", "after", "result"),
    [
        (TABLE, ("node", "n4"), TABLE.replace("[s0]\n\nsink", f"[s0]\n{ROW}\nsink")),
        (TABLE, ("node", "s1"), TABLE.replace("# behind s1\n", f"# behind s1\n{ROW}")),
        (TABLE, ("network",), TABLE.replace("network demo\n", f"network demo\n{ROW}")),
        (TABLE, ("sink",), f"{TABLE}\n{ROW}".rstrip()),
        (
            "node a level=1 C=1\r\nsink",
            ("node",),
            "node a level=1 C=1\r\nnode n5 level=1 C=64 r=1 stride=1 inputs=[s0, s1@0.25]\r\nsink",
        ),
        (
            "anet 1 sink",
            ("anet",),
            "anet 1\nnode n5  level=1  C=64  r=1  stride=1  inputs=[s0, s1@0.25]\nsink",
        ),
    ],
)
def test_a_node_is_inserted_in_the_columns_of_its_neighbours(text, after, result):
    """Behind a statement and its comment, with the file's line ends."""
    new = edited(text, lambda tree: edits.insert_node(tree, N5, find(tree, *after)))
    assert new == result


def test_a_long_node_is_inserted_with_its_list_wrapped():
    """As the formatter would wrap it."""
    node = Node("n5", 1, 64, 1, 1, tuple(Edge(f"stem_number_{i}") for i in range(9)))
    new = edited(TABLE, lambda tree: edits.insert_node(tree, node, find(tree, "node", "n4")))
    start = new.index("node n5")
    assert new[start:].splitlines()[:2] == [
        "node n5   level=1  C=64   r=1  stride=1  inputs=[",
        "    " + " ".join(f"stem_number_{i}," for i in range(6)),
    ]


REMOVALS = [
    # whole lines, with what is the node's own
    ("node a\nnode b # of b\nnode c\n", "b", "node a\nnode c\n"),
    ("node a\n# of b\n  # too\nnode b\nnode c\n", "b", "node a\nnode c\n"),
    ("node a # of a\n# of b\nnode b\n", "b", "node a # of a\n"),
    ("node a\n# not of b\n\nnode b\nnode c", "b", "node a\n# not of b\n\nnode c"),
    ("  node b inputs=[ # one\n x,\n ]\n\n# c\nnode c\n", "b", "# c\nnode c\n"),
    # a heading stays as long as its paragraph has other nodes
    ("anet 1\n\n# stems\nnode a\nnode b\n", "a", "anet 1\n\n# stems\nnode b\n"),
    ("anet 1\n\n# of a\nnode a\n# of b\nnode b\n", "a", "anet 1\n\n# of b\nnode b\n"),
    ("# of a\nnode a\n\nnode b\n", "a", "node b\n"),
    # blank lines on both sides become one
    ("anet 1\n\nnode a\n\nnode b\n", "a", "anet 1\n\nnode b\n"),
    ("anet 1\n\nnode a\nnode b\n", "a", "anet 1\n\nnode b\n"),
    # at the ends of the text
    ("anet 1\n\nnode a\n", "a", "anet 1\n"),
    ("anet 1\nnode a", "a", "anet 1"),
    ("node a\n", "a", "\n"),
    ("\ufeffnode a\nnode b\n", "a", "\ufeffnode b\n"),
    ("anet 1\r\rnode a\r\rnode b\r", "a", "anet 1\r\rnode b\r"),
    # lines that are shared
    ("node a node b # of b\nnode c", "b", "node a\nnode c"),
    ("node a node b # of b\nnode c", "a", "node b # of b\nnode c"),
    ("node a\n# of b\nnode b node c # of c", "b", "node a\n# of b\nnode c # of c"),
    ("node a C=1 # of a\n node b node c", "b", "node a C=1 # of a\n node c"),
]


@pytest.mark.parametrize(("before", "name", "after"), REMOVALS)
def test_a_node_is_removed_with_its_comments(before, name, after):
    """And no others, without a hole or a broken line left behind."""
    assert edited(before, on(edits.remove_statement, name=name)) == after


ORIGIN = Origin("g7", 3, 1234, ("split n4 -> n4a n4b", 'say "n4"'))
ORIGIN_TEXT = r'origin  parent="g7"  round=3  seed=1234  ops=["split n4 -> n4a n4b", "say \"n4\""]'


def test_origin_and_score_are_inserted_behind_the_network():
    """In this order, whichever comes first."""
    text = "anet 1\nnetwork demo  # c\nsink"
    with_origin = edited(text, edits.set_origin, ORIGIN)
    assert with_origin == f"anet 1\nnetwork demo  # c\n{ORIGIN_TEXT}\nsink"
    score = Score((("fitness", 90.5), ("top1", 30)))
    both = edited(with_origin, edits.set_score, score)
    assert both == with_origin.replace("\nsink", "\nscore  top1=30  fitness=90.5\nsink")
    score_only = edited(text, edits.set_score, score)
    assert edited(score_only, edits.set_origin, ORIGIN) == both
    assert edited(edited(both, edits.set_origin, None), edits.set_score, None) == text
    assert edited(text, edits.set_score, None) == text


def test_origin_and_score_change_where_they_stand():
    """What they said before goes; comments and equal parts stay."""
    text = 'network a\norigin ops=["x", # of x\n "y"] round=2 # c\nnode b'
    new = edited(text, edits.set_origin, Origin("p", None, 3, ("y", "z")))
    assert new == 'network a\norigin parent="p" seed=3 ops=["y", "z"] # c\nnode b'
    text = "network a score loss=0.50 top5=2 # c\n"
    score = Score((("loss", 0.25), ("fitness", 1e-9)))
    assert edited(text, edits.set_score, score) == "network a score loss=0.25 fitness=1e-09 # c\n"


def test_without_a_network_there_is_no_place_for_an_origin():
    """Nor for a score."""
    with pytest.raises(KeyError, match="network"):
        edits.set_origin(tree_of("anet 1"), ORIGIN)
    with pytest.raises(KeyError, match="network"):
        edits.set_score(tree_of("anet 1"), Score(()))


def test_statements_are_found_by_keyword_and_name():
    """Or not, which is the caller's error."""
    tree = tree_of(TABLE)
    assert find(tree, "node").span == find(tree, "node", "s0").span
    with pytest.raises(KeyError, match="n9"):
        find(tree, "node", "n9")
    with pytest.raises(KeyError, match="score"):
        find(tree, "score")


def test_edits_of_several_builders_go_together():
    """Those of different statements, and of a list and another attribute of one."""
    tree = tree_of(TABLE)
    n4 = find(tree, "node", "n4")
    together = [
        *edits.set_edges(tree, n4, [Edge("s1")]),
        *edits.set_attribute(tree, n4, "r", "16"),
        *edits.remove_statement(tree, find(tree, "node", "s0")),
        *edits.set_origin(tree, ORIGIN),
        *edits.insert_node(tree, N5, n4),
        *edits.rename(tree, "s1", "s2"),
    ]
    after = TABLE.replace("network demo\n", f"network demo\n{ORIGIN_TEXT}\n")
    after = after.replace(TABLE[TABLE.index("# stems") : TABLE.index("# the second")], "")
    after = after.replace("node s1 ", "node s2 ").replace(
        "r=4  stride=1  inputs=[s0]", "r=16  stride=1  inputs=[s1]"
    )
    after = after.replace("[s1]\n", f"[s1]\n{ROW}")
    assert apply(TABLE, together) == after
