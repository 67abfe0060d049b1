"""Rename, insert, remove and find statements without changes elsewhere."""

from __future__ import annotations

import pytest

from anetdsl.ir import Edge, Node, Origin, Score
from anetdsl.text import edits
from anetdsl.text.edits import apply, find
from tests.text.edits.cases import N5, ROW, TABLE, edited, on, tree_of

# Names

NAMES = """\
anet 1
network a  # of a
input a  channels=3
node s    level=0  inputs=[a]
node s_b  level=1  inputs=[s, x, s@0.5]  # s
sink inputs=[s_b, s]
"""


def test_a_node_is_renamed_in_its_definition_and_in_all_lists():
    """Comments, longer names and the network's name stay."""
    after = NAMES.replace("node s    level", "node s_c  level").replace("[s,", "[s_c,")
    after = after.replace(" s@", " s_c@").replace(" s]", " s_c]")
    assert edited(NAMES, edits.rename, "s", "s_c") == after
    assert edited(NAMES, edits.rename, "s", "s") == NAMES


def test_an_input_is_renamed_but_not_the_network():
    """An input and the network may have the same name."""
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
def test_used_and_invalid_names_are_refused(old, new, error):
    """So is an unknown old name."""
    with pytest.raises(error):
        edits.rename(tree_of(NAMES), old, new)


def test_the_network_is_renamed():
    """No other statement changes."""
    assert edited(NAMES, edits.set_network_name, "b") == NAMES.replace("network a", "network b")
    assert edited(NAMES, edits.set_network_name, "a") == NAMES
    with pytest.raises(ValueError, match="`a-b` is not a valid name"):
        edits.set_network_name(tree_of(NAMES), "a-b")
    with pytest.raises(KeyError, match="network"):
        edits.set_network_name(tree_of("anet 1"), "a")


@pytest.mark.parametrize(
    ("text", "after", "result"),
    [
        (TABLE, ("node", "n4"), TABLE.replace("[s0]\n\nsink", f"[s0]\n{ROW}\nsink")),
        (TABLE, ("node", "s1"), TABLE.replace("# after s1\n", f"# after s1\n{ROW}")),
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
    """It follows a statement and its comment, and has the file's line ends."""
    new = edited(text, lambda tree: edits.insert_node(tree, N5, find(tree, *after)))
    assert new == result


def test_a_long_node_is_inserted_with_its_list_wrapped():
    """It is wrapped as by the formatter."""
    node = Node("n5", 1, 64, 1, 1, tuple(Edge(f"stem_number_{i}") for i in range(9)))
    new = edited(TABLE, lambda tree: edits.insert_node(tree, node, find(tree, "node", "n4")))
    start = new.index("node n5")
    assert new[start:].splitlines()[:2] == [
        "node n5   level=1  C=64   r=1  stride=1  inputs=[",
        "    " + " ".join(f"stem_number_{i}," for i in range(6)),
    ]


REMOVALS = [
    # whole lines with the node's comments
    ("node a\nnode b # of b\nnode c\n", "b", "node a\nnode c\n"),
    ("node a\n# of b\n  # too\nnode b\nnode c\n", "b", "node a\nnode c\n"),
    ("node a # of a\n# of b\nnode b\n", "b", "node a # of a\n"),
    ("node a\n# not of b\n\nnode b\nnode c", "b", "node a\n# not of b\n\nnode c"),
    ("  node b inputs=[ # one\n x,\n ]\n\n# c\nnode c\n", "b", "# c\nnode c\n"),
    # a heading stays if its paragraph has other nodes
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
    # several statements on a line
    ("node a node b # of b\nnode c", "b", "node a\nnode c"),
    ("node a node b # of b\nnode c", "a", "node b # of b\nnode c"),
    ("node a\n# of b\nnode b node c # of c", "b", "node a\n# of b\nnode c # of c"),
    ("node a C=1 # of a\n node b node c", "b", "node a C=1 # of a\n node c"),
]


@pytest.mark.parametrize(("before", "name", "after"), REMOVALS)
def test_a_node_is_removed_with_its_comments(before, name, after):
    """Other comments stay. No additional blank line and no broken line remains."""
    assert edited(before, on(edits.remove_statement, name=name)) == after


ORIGIN = Origin("g7", 3, 1234, ("split n4 -> n4a n4b", 'say "n4"'))
ORIGIN_TEXT = (
    r'origin  parent="g7"  candidate=3  seed=1234  ops=["split n4 -> n4a n4b", "say \"n4\""]'
)


def test_origin_and_score_are_inserted_after_the_network():
    """Their order does not depend on which one is inserted first."""
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


def test_origin_and_score_are_changed_in_place():
    """Old values are removed. Comments and equal values stay."""
    text = 'network a\norigin ops=["x", # of x\n "y"] candidate=2 # c\nnode b'
    new = edited(text, edits.set_origin, Origin("p", None, 3, ("y", "z")))
    assert new == 'network a\norigin parent="p" seed=3 ops=["y", "z"] # c\nnode b'
    text = text.replace("candidate=", "round=")
    assert edited(text, edits.set_origin, Origin("p", None, 3, ("y", "z"))) == new
    text = "network a score loss=0.50 top5=2 # c\n"
    score = Score((("loss", 0.25), ("fitness", 1e-9)))
    assert edited(text, edits.set_score, score) == "network a score loss=0.25 fitness=1e-09 # c\n"


def test_origin_and_score_need_a_network_statement():
    with pytest.raises(KeyError, match="network"):
        edits.set_origin(tree_of("anet 1"), ORIGIN)
    with pytest.raises(KeyError, match="network"):
        edits.set_score(tree_of("anet 1"), Score(()))


def test_statements_are_found_by_keyword_and_name():
    """An unknown statement raises KeyError."""
    tree = tree_of(TABLE)
    assert find(tree, "node").span == find(tree, "node", "s0").span
    with pytest.raises(KeyError, match="n9"):
        find(tree, "node", "n9")
    with pytest.raises(KeyError, match="score"):
        find(tree, "score")


def test_edits_of_several_builders_are_applied_together():
    """They concern different statements, or a list and another attribute of one statement."""
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
