"""Texts to edit, and helpers that apply edits."""

from __future__ import annotations

import functools

from anetdsl.ir import Edge, Node
from anetdsl.source import SourceFile
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, invert


def tree_of(text: str) -> SyntaxTree:
    tree = parse_syntax(SourceFile("text", text))
    assert not tree.diagnostics
    return tree


def edited(text, builder, *arguments) -> str:
    """Return the text after a builder's edits, which must be valid and invertible."""
    made = builder(tree_of(text), *arguments)
    after = apply(text, made)
    tree_of(after)
    assert apply(after, invert(text, made)) == text
    return after


def on(builder, keyword="node", name=None):
    """Return the builder with its statement found by keyword and name."""

    @functools.wraps(builder)
    def build(tree, *arguments):
        return builder(tree, find(tree, keyword, name), *arguments)

    return build


TABLE = """\
anet 1  # c
network demo

# stems
node s0   level=0  C=32   r=4  stride=4  inputs=[rgb]
# the second
node s1   level=0  C=32   r=4  stride=4  inputs=[rgb]  # after s1

# about n4
node n4   level=1  C=128  r=4  stride=1  inputs=[s0]

sink  inputs=[n4]"""
N5 = Node("n5", 1, 64, 1, 1, (Edge("s0"), Edge("s1", 0.25)))
ROW = "node n5   level=1  C=64   r=1  stride=1  inputs=[s0, s1@0.25]\n"
