"""Answers of the language server, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anetdsl.api import format_text
from anetdsl.cost import cost
from anetdsl.errors import CannotRun
from anetdsl.language_server.analysis import Analysis, analyse
from anetdsl.language_server.annotations import head_line, inline_hints
from anetdsl.language_server.client_settings import ClientSettings, read_client_settings
from anetdsl.language_server.completion import Completion, completions_at
from anetdsl.language_server.formatting_edits import format_edits, format_range
from anetdsl.language_server.hover_text import hover_at
from anetdsl.language_server.navigation import (
    definition_at,
    occurrences_at,
    renamable_at,
    rename_at,
)
from anetdsl.language_server.outline import folding_parts, outline
from anetdsl.language_server.quick_fixes import quick_fixes
from anetdsl.language_server.text_positions import changed, offset_at, span_at
from anetdsl.source import SourceFile, Span
from anetdsl.text.edits import apply
from tests.mistakes import GOOD, HEAD, LEVELS, SINK, STEM
from tests.strategies import broken_texts, texts


def analysed(text: str, client: ClientSettings | None = None) -> Analysis:
    return analyse(SourceFile("x.anet", text), client or ClientSettings())


def at(text: str) -> tuple[Analysis, int]:
    """Return the analysis of a text without its `|`, and the offset of the `|`."""
    return analysed(text.replace("|", "", 1)), text.index("|")


# Positions


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_positions_are_in_utf16_units(newline: str) -> None:
    """Emoji take two units, combining characters one; a form feed and U+2028 end no line."""
    text = newline.join(["# 😀e\u0301😀", "\f\u2028# é", "", "end"])
    source = SourceFile("x", text)
    for offset in range(len(text) + 1):
        position = source.position(offset)
        in_line_end = text[offset - 1 : offset + 1] == "\r\n"
        if not in_line_end:
            assert offset_at(source, position.line, position.utf16) == offset
    assert offset_at(source, 0, 3) == 2, "within the first emoji"
    assert offset_at(source, 0, 99) == source.line_span(0).end
    assert offset_at(source, 99, 0) == len(text)
    assert offset_at(source, -1, -1) == 0
    assert offset_at(source, 1, -5) == source.line_span(1).start
    assert span_at(source, (1, 2), (0, 2)) == Span(2, source.line_span(1).start + 2)


def test_changes_replace_the_span() -> None:
    source = SourceFile("x", "a😀b")
    assert changed(source, span_at(source, (0, 1), (0, 3)), "\n").text == "a\nb"


# Hover


def test_hover_of_a_node_has_its_cost() -> None:
    analysis, offset = at(GOOD.replace("node a2", "node a|2"))
    found = hover_at(analysis, offset)
    assert analysis.checked.network is not None
    total = cost(analysis.checked.network)
    node = total.nodes[2]
    assert found is not None
    assert analysis.text[found.span.start : found.span.end] == "a2"
    assert found.markdown.splitlines()[0] == "**node `a2`** at level 2"
    assert f"output: {' x '.join(map(str, node.shape))} (C x T x H x W)" in found.markdown
    share = f"{100 * node.parameters / total.parameters:.1f} %"
    assert f"parameters: {node.parameters:,} ({share} of the network)" in found.markdown
    field = f"{node.temporal_field} frames, {node.spatial_field} pixels per side"
    assert f"receptive field: {field}" in found.markdown
    assert "reads: `a1`\n- read by: `a3`" in found.markdown
    assert "one clip of 32 frames, 224 x 224 pixels" in found.markdown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("inputs=[a4]", "inputs=[a|4]"), "**node `a4`** at level 4"),
        (GOOD.replace("input rgb", "input r|gb"), "- tensor: 3 x 32 x 224 x 224"),
        (GOOD.replace("stride", "str|ide", 1), "spatial stride of the block; 4 for a stem"),
        (GOOD.replace("stride", "str|ide", 1), "- source: paper A.3"),
        (GOOD.replace("demo", "demo edg|es=fixed"), "- default: `learned`"),
        (GOOD.replace("demo", "demo atten|tion=peer"), "`none` or `self` or `peer`"),
        (GOOD.replace("C=128", "C|=128"), "the widths of the three convolutions in a module"),
        (GOOD.replace("node a1", "no|de a1"), "one block: a stem (level 0)"),
        (GOOD.replace("sink", "s|ink"), "- parameters: "),
        (GOOD.replace("demo", "de|mo"), "**network `demo`**"),
        (GOOD.replace("[a2]", "[a2@0.|5, a1]"), "weight of the edge from `a2`"),
        (GOOD.replace("[a2]", "[a2] peers=[s0@0.|5]"), "share of the peer `s0`"),
        (GOOD.replace("[a2]", "[a2] peers=[s|0@0.5]"), "**stem `s0`** at level 0"),
        (GOOD.replace("demo", "demo modu|les=[1, 1, 1, 1]"), "`[3, 5, 11, 7]` with `blocks=lite`"),
        (GOOD.replace("stride=4", "strid=4").replace("node a1", "node a|1"), "Its cost is known"),
    ],
)
def test_hover(text: str, expected: str) -> None:
    found = hover_at(*at(text))
    assert found is not None
    assert expected in found.markdown


def test_costs_are_known_where_no_mistake_is() -> None:
    """A mistake in `a3` leaves the costs of the nodes below it."""
    text = GOOD.replace("node a3 level=3 C=512", "node a3 level=3 C=")
    costs = analysed(text).node_costs
    expected = {node.name: node for node in cost(analysed(GOOD).network).nodes}
    assert costs == {name: expected[name] for name in ("s0", "a1", "a2")}
    assert analysed(GOOD.replace("demo", "demo D=1")).node_costs == {}


def test_costs_are_for_the_clip_of_the_settings() -> None:
    client = read_client_settings({"frames": 8, "size": "64x128", "search": True})
    (hint, *_) = inline_hints(analysed(GOOD, client), Span(0, len(GOOD)))
    assert hint.label.startswith("32 x 8 x 16 x 32, ")
    assert hint.offset == GOOD.index("node a1") - 1
    line = head_line(analysed(GOOD, client))
    assert line is not None
    assert "8 frames, 64 x 128 pixels" in line.text
    assert head_line(analysed("anet 1")) is None
    narrow = GOOD.replace("C=256", "C=64")
    assert analysed(narrow, read_client_settings({"allow": ["A602"]})).diagnostics == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"frame": 8}, "did you mean `frames`?"),
        ({"frames": 0}, "from 1 to 100000"),
        ({"size": "0x3"}, "is not a size"),
        ({"allow": ["A101"]}, "A101 is an error"),
        (["frames"], "must hold settings by name"),
    ],
)
def test_wrong_settings_are_explained(given: object, message: str) -> None:
    with pytest.raises(CannotRun, match=r"settings of anet|is an error") as caught:
        read_client_settings(given)
    assert message in str(caught.value)


# Completion

TWO = HEAD + "input flow channels=2\n" + STEM + LEVELS
OBJECT = "input object channels=16 kind=object\n"
OBJECTS = HEAD + OBJECT + STEM + LEVELS + SINK
LITE = """\
anet 1
network demo blocks=lite
input rgb channels=3
node s0 level=0 C=24 r=1 stride=2 inputs=[rgb]
node a1 level=1 C=[27, 27, 12] r=1 stride=2 inputs=[s0]
node a2 level=2 C=[54, 54, 24] r=1 stride=2 inputs=[s0, a1]
node a3 level=3 C=[152, 152, 68] r=1 stride=2 inputs=[a2]
node a4 level=4 C=[432, 432, 192] r=1 stride=2 inputs=[a2, a3]
sink inputs=[a4] classes=10
"""
"""A text without findings."""
PEERS = TWO.replace("demo", "demo attention=peer")


def words(text: str) -> list[str]:
    return [completion.label for completion in completions_at(*at(text))]


def one(text: str, label: str) -> Completion:
    return next(c for c in completions_at(*at(text)) if c.label == label)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|", ["anet"]),
        ("anet |", ["1"]),
        ("anet 1\n|", ["network", "origin", "score", "input", "node", "sink"]),
        (TWO + "no|", ["origin", "score", "input", "node", "sink"]),
        (TWO + "node x |", ["level", "C", "r", "stride", "inputs"]),
        (TWO + "node x level=2 str|\n" + SINK, ["C", "r", "stride", "inputs"]),
        (PEERS + "node x level=2 stride=2 |", ["C", "r", "inputs", "peers"]),
        (PEERS + "node x level=2 peers=[a1@0.5, |]", ["s0"]),
        (TWO + "node x level=|", ["0", "1", "2", "3", "4"]),
        (TWO + "node x level=0 inputs=[|]", ["rgb", "flow"]),
        (TWO + "node x level=2 inputs=[|]", ["a1", "s0"]),
        (TWO + "node x level=2 inputs=[s0, |", ["a1"]),
        (TWO + "node x level=2 inputs=[s0 |", []),
        (TWO + "node x level=2 inputs=[s0@|", []),
        (TWO + "sink inputs=[|] combine=concat", ["a4", "a3", "a2", "a1", "s0"]),
        (TWO + "sink inputs=[a4, |]", ["a3"]),  # The other nodes have other widths.
        (TWO + "sink inputs=[a4] combine=|", ["mean", "concat"]),
        (
            TWO + "sink inputs=[a4] classes=3 |",
            ["combine", "head", "origin", "score", "input", "node"],
        ),
        (TWO + "sink inputs=[b4]\nnode |", ["b4"]),
        (
            OBJECTS + "node o level=0 inputs=[object] |",
            ["stride"],
        ),
        (PEERS + "node x level=0 |", ["C", "r", "stride", "inputs"]),
        (GOOD.replace("demo", "demo attention=|"), ["none", "self", "peer"]),
        (GOOD.replace("demo", "demo blocks=|"), ["full", "lite"]),
        (OBJECTS.replace("kind=object", "kind=|"), ["object", "rgb", "flow"]),
        (LITE.replace("C=[432, 432, 192]", "C=|"), ["[432, 432, 192]"]),
        (LITE.replace("demo", "demo modules=|"), ["[3, 5, 11, 7]"]),
        ("anet 1\nnetwork n D=|", ["[64, 128, 256, 512]"]),
        ("anet 1 # no|", []),
        (GOOD + 'origin parent="no|', []),
        (GOOD.replace("stride=4", "str|=4"), ["stride"]),
    ],
)
def test_completions_are_the_words_that_are_valid(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_completion_of_codes_starts_with_those_of_the_text() -> None:
    found = words(GOOD.replace("C=256", "C=64") + "# anetc: allow A605, A|")
    assert found[0] == "A602"
    assert "A605" in found
    assert "A101" not in found


def test_completions_bring_likely_values() -> None:
    stem = one(TWO + "node x level=0 st|", "stride")
    assert (stem.text, stem.snippet) == ("stride=4", "stride=${1:4}")
    assert one(TWO + "node x level=3 C|", "C").text == "C=512"
    assert one(LITE + "node x level=3 C|", "C").text == "C=[152, 152, 68]"
    assert one(HEAD + "input object |", "channels").text == "channels=151"
    assert "paper A.3" in stem.documentation
    node = one(TWO + "|", "node").snippet
    assert node == "node ${1:name}  level=${2:1}  C=${3:128}  r=${4:1}  stride=${5:1}  inputs=[$6]"
    assert one(TWO + "node x level=2 inputs=[|]", "a1").detail == "level 1, 512 x 32 x 56 x 56"


# Names


def test_definition_and_references() -> None:
    analysis, offset = at(GOOD.replace("inputs=[a2]", "inputs=[a|2]"))
    definition = definition_at(analysis, offset)
    assert definition is not None
    assert definition.start == GOOD.index("a2 ")
    places = [(o.span.start, o.is_definition) for o in occurrences_at(analysis, offset)]
    assert places == [(GOOD.index("a2 "), True), (GOOD.index("a2]"), False)]
    assert definition_at(*at(GOOD.replace("[a2]", "[x|2]"))) is None
    assert definition_at(*at(GOOD.replace("stride", "st|ride"))) is None


def test_rename_changes_all_places() -> None:
    analysis, offset = at(GOOD.replace("node s0", "node s|0"))
    assert apply(GOOD, rename_at(analysis, offset, "stem")) == GOOD.replace("s0", "stem")
    peers = GOOD.replace("inputs=[a2]", "inputs=[a2] peers=[s0@0.5, a1@0.5]")
    renamed = apply(peers, rename_at(*at(peers.replace("node s0", "node s|0")), "stem"))
    assert renamed == peers.replace("s0", "stem")
    analysis, offset = at(GOOD.replace("demo", "de|mo"))
    assert apply(GOOD, rename_at(analysis, offset, "other")) == GOOD.replace("demo", "other")


@pytest.mark.parametrize(
    ("text", "new", "message"),
    [
        (GOOD.replace("node s0", "node s|0"), "a1", "already used"),
        (GOOD.replace("node s0", "node s|0"), "sink", "not a valid name"),
        (GOOD.replace("node s0", "node s|0"), "a-b", "not a valid name"),
        (GOOD.replace("stride", "stri|de", 1), "x", "there is no name"),
        (GOOD.replace("[a4]", "[x|4]"), "x", "there is no name"),
        (GOOD.replace("node s0", "node s|0").replace("[s0]", "[s0 s0"), "x", "syntax errors first"),
    ],
)
def test_rename_refuses_what_it_cannot_do(text: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rename_at(*at(text), new)


# Outline and layout


def test_outline_and_folding() -> None:
    text = "# one\n# two\n\n# heading\n" + GOOD.replace("inputs=[a1]", "inputs=[\n    a1\n]")
    analysis = analysed(text)
    symbols = [(s.keyword, s.name, s.detail) for s in outline(analysis)]
    assert symbols[:3] == [
        ("network", "demo", "network"),
        ("input", "rgb", "input, 3 channels"),
        ("node", "s0", "stem, C=32"),
    ]
    assert symbols[-1] == ("sink", "sink", "10 classes")
    details = {symbol.name: symbol.detail for symbol in outline(analysed(LITE))}
    assert details["a2"] == "level 2, C=[54, 54, 24]"
    folds = {(part.first, part.last, part.kind) for part in folding_parts(analysis)}
    assert folds == {(0, 1, "comment"), (3, 14, "region"), (9, 11, "region")}


def test_formatting_changes_only_lines_that_differ() -> None:
    text = format_text(GOOD).replace("node  a2", "node a2   ") + "# end"
    edits = format_edits(analysed(text))
    assert apply(text, edits) == format_text(text)
    assert format_edits(analysed(format_text(text))) == ()
    assert format_edits(analysed(GOOD.replace("[rgb]", "[rgb"))) == ()


def test_formatting_of_a_range_changes_its_statements() -> None:
    lines = GOOD.splitlines()
    offset = GOOD.index("node a2")
    found = apply(GOOD, format_range(analysed(GOOD), Span(offset, offset + 3))).splitlines()
    expected = format_text(GOOD).splitlines()
    assert found == [*lines[:5], expected[5], *lines[6:]]
    assert format_range(analysed(GOOD + "\n\n# x\n"), Span(len(GOOD) + 3, len(GOOD) + 3)) == ()


# Any text


@given(broken_texts() | texts(), st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=60)
def test_no_text_and_no_place_is_a_problem(text: str, first: int, second: int) -> None:
    analysis = analysed(text)
    start, end = sorted((first % (len(text) + 1), second % (len(text) + 1)))
    for offset in (0, start, end, len(text), len(text) + 9):
        hover_at(analysis, offset)
        for completion in completions_at(analysis, offset):
            assert completion.span.start <= offset
        definition_at(analysis, offset)
        if renamable_at(analysis, offset) is not None:
            try:
                renamed = apply(text, rename_at(analysis, offset, "a_new_name"))
            except ValueError as error:
                assert "syntax errors first" in str(error)  # noqa: PT017
            else:
                assert len(analysed(renamed).checked.errors) <= len(analysis.checked.errors)
    for part in folding_parts(analysis):
        assert 0 <= part.first < part.last < analysis.source.line_count
    for symbol in outline(analysis):
        assert (
            symbol.span.start <= symbol.name_span.start <= symbol.name_span.end <= symbol.span.end
        )
    assert len(list(inline_hints(analysis, Span(0, len(text))))) <= len(analysis.definitions)
    assert analysed(apply(text, format_edits(analysis))).network == analysis.network
    assert (
        analysed(apply(text, format_range(analysis, Span(start, end)))).network == analysis.network
    )
    for fix in quick_fixes(analysis, Span(start, end)):
        apply(text, fix.edits)


def test_a_text_that_is_too_large() -> None:
    analysis = analysed("#" * (1 << 20) + GOOD)
    assert [finding.code for finding in analysis.diagnostics] == ["A110"]
    assert (hover_at(analysis, 5), completions_at(analysis, 5)[0].label) == (None, "anet")
    assert format_edits(analysis) == format_range(analysis, Span(0, 9)) == ()
    assert list(quick_fixes(analysis, Span(0, 9))) == []
    assert analyse(SourceFile("x", GOOD), before=analysis).diagnostics == ()


def test_all_examples_have_hints_for_all_nodes(examples: list[Path]) -> None:
    for path in examples:
        text = path.read_text(encoding="utf-8")
        analysis = analysed(text)
        assert len(list(inline_hints(analysis, Span(0, len(text))))) == len(analysis.network.nodes)
