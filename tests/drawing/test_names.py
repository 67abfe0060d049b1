"""No untrusted name or title breaks out of its label."""

from __future__ import annotations

import re
from typing import Literal
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anetdsl.drawing import dot_source, draw
from anetdsl.drawing.dot import escaped, identifier
from anetdsl.ir import Edge, Input, Network, Node, Sink
from tests.drawing.networks import TABLE_4, needs_pure

NASTY = [
    '"',
    "\\",
    "a\\",
    "\\N\\G\\l",
    "</svg><script>alert(1)</script>",
    "<b>",
    '"]; evil [URL="javascript:alert(1)"',
    "a\nb\r\tc",
    "&",
    "&nosuch;",
    "&lt;",
    "--> <!--",
    "x" * 200,
    "node",
    "graph",
    "strict",
    "(sink)",
    "(column 1)",
    "",
    " ",
    "\x00\x1b[31m",
    "\ud800",
    "\u202egnp",
    "日本語 é 🎉",
    "a:b:c",
    "%s %n {0}",
]
_SVG = "{http://www.w3.org/2000/svg}"
_TAGS = {_SVG + tag for tag in ("svg", "g", "title", "polygon", "path", "polyline", "text")}
_ATTRIBUTES = {
    *("width", "height", "viewBox", "id", "class", "transform", "x", "y", "d", "points"),
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity"),
    *("text-anchor", "font-family", "font-size", "font-weight", "text-decoration"),
    "{http://www.w3.org/XML/1998/namespace}space",
}


def named(name: str) -> Network:
    """Return a network with names made from this one."""
    stems = (Node(f"{name}a", 0, 8, 1, 4, (Edge(f"{name}i"),)), Node("b", 0, 8, 1, 4, (Edge("j"),)))
    last = Node(name, 1, 8, 1, 1, (Edge(f"{name}a"), Edge("b", 0.5)))
    inputs = (Input(f"{name}i", 3), Input("j", 3))
    return Network(name, inputs, (*stems, last), Sink((Edge(name),), 2))


names = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))


@needs_pure
@settings(max_examples=60)
@given(names, names)
def test_no_name_breaks_out_of_the_svg(name: str, title: str) -> None:
    """The SVG parses and has known tags and attributes only: no scripts, links or events."""
    for picture in (
        draw(named(name), "svg", weights=True, title=title),
        draw(named(name), "svg", diff=named("a"), title=title),
    ):
        elements = list(ElementTree.fromstring(picture).iter())
        assert {element.tag for element in elements} <= _TAGS
        assert {key for element in elements for key in element.attrib} <= _ATTRIBUTES
        groups = [element.get("class") for element in elements]
        assert groups.count("node") >= 6 + 4


@pytest.mark.parametrize("target", ["svg", "png"])
@needs_pure
def test_every_nasty_name_is_drawn_in_every_format(target: Literal["svg", "png"]) -> None:
    """Draw the difference from another network."""
    for name in NASTY:
        assert draw(named(name), target, weights=True, title=name, diff=named("a"))


@given(st.text(), st.text())
@example("{22}", '"')
@example("a", "a{}")
def test_different_names_have_different_identifiers(first: str, second: str) -> None:
    """An identifier has no character with a meaning in DOT."""
    assert (identifier(first) == identifier(second)) == (first == second)
    assert not set(identifier(first)) & set('"\\<>&;[]()-\n')


@given(st.text())
def test_escaped_text_is_short_escaped_and_of_one_line(text: str) -> None:
    """Any text becomes harmless markup."""
    markup = escaped(text)
    plain = re.sub("&(amp|lt|gt|quot|#x27);", ".", markup)
    assert 1 <= len(plain) <= 24
    assert plain.isprintable()
    assert not set(plain) & set("<>&\"'")


def test_a_long_name_keeps_both_ends() -> None:
    """Names that differ in their last digit look different. SVG titles hold the whole name."""
    name = f"n{'a' * 60}_17"
    assert escaped(name) == "naaaaaaaaaaaa...aaaaa_17"
    assert name in dot_source(named(name))


@needs_pure
def test_svg_text_is_text_and_has_titles() -> None:
    """A screen reader finds the names of the network and of every node."""
    root = ElementTree.fromstring(draw(TABLE_4, "svg"))
    titles = [element.text for element in root.iter(f"{_SVG}title")]
    assert titles[0] == "assemblenet"
    assert {"n14", "n10->n14"} <= set(titles)
    assert {"n14", "sink"} <= {element.text for element in root.iter(f"{_SVG}text")}
