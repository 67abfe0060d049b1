"""The content of the drawings of one network and of a difference."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anetdsl
from anetdsl.drawing import diff_source, dot_source, draw, engine
from anetdsl.drawing.dot import Direction, identifier
from anetdsl.drawing.network import PAINTS, weight_pen
from anetdsl.drawing.streams import stream_kinds
from anetdsl.ir import Edge, Network, Node
from tests.drawing.networks import (
    ASN50,
    CHANGED,
    SMALL,
    STEMS,
    TABLE_4,
    Row,
    arrow_list,
    arrows,
    boxes,
    needs_pure,
    network,
)
from tests.networks import networks


def layout(source: str) -> dict[str, Any]:
    """Return the layout of a DOT text."""
    drawn = engine._run(engine.find_engine("svg"), source, ["-Tjson"], 60)
    found: dict[str, Any] = json.loads(drawn)
    return found


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("table4", dot_source(TABLE_4)),
        ("table4_rows", dot_source(TABLE_4, weights=True, direction="TB")),
        ("asn50_weights", dot_source(ASN50, weights=True)),
        ("asn50_rows", dot_source(ASN50, weights=True, direction="TB")),
        ("change", diff_source(SMALL, CHANGED, weights=True)),
    ],
)
def test_dot_text_is_the_golden_one(
    name: str, source: str, golden: Callable[[str, str], None]
) -> None:
    """The text, and with it the drawing, does not change unintentionally."""
    golden(f"drawing/{name}.dot", source)


@needs_pure
def test_svg_has_the_same_bytes_on_every_machine(golden: Callable[[str, str], None]) -> None:
    """graphviz-pure has its own font metrics: fonts of the machine have no effect."""
    golden("drawing/asn50_weights.svg", draw(ASN50, "svg", weights=True))


def test_dot_text_does_not_depend_on_the_hash_seed() -> None:
    """No part is written in the order of a set."""
    code = (
        "from anetdsl.drawing import diff_source, dot_source;"
        "from tests.drawing.networks import ASN50, TABLE_4;"
        "print(dot_source(ASN50, weights=True), diff_source(TABLE_4, ASN50))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


@needs_pure
@pytest.mark.parametrize(("direction", "axis"), [("LR", 0), ("TB", 1)])
def test_a_level_is_one_column_or_row(direction: Direction, axis: int) -> None:
    """Nodes of a level have the same position along the direction of the drawing."""
    source = dot_source(ASN50, weights=True, direction=direction)
    places = {
        item["name"]: float(item["pos"].split(",")[axis])
        for item in layout(source)["objects"]
        if "pos" in item
    }
    if direction == "TB":
        places = {name: -place for name, place in places.items()}
    columns = [
        {places["rgb"], places["flow"]},
        *({places[node.name] for node in ASN50.nodes if node.level == level} for level in range(5)),
        {places["(sink)"]},
    ]
    assert [len(column) for column in columns] == [1] * 7
    assert sorted(columns, key=max) == columns


def test_a_box_names_its_node_with_c_and_r() -> None:
    """A flow stem has no temporal convolution and so no r."""
    found = boxes(dot_source(TABLE_4))
    assert set(found) == {"rgb", "flow", "(sink)", *(node.name for node in TABLE_4.nodes)}
    assert found["n9"][0].split() == ["n9", "C=64", "r=8"]
    assert found["s0"][0].split() == ["s0", "C=32", "r=4"]
    assert found["s2"][0].split() == ["s2", "C=32"]
    assert found["(sink)"][0].split() == ["sink", "339", "classes"]


def test_a_box_has_the_colour_of_the_inputs_that_reach_it() -> None:
    """RGB, flow or both; grey if no input reaches it or if the sink does not need it."""
    extra = Node("idle", 2, 8, 1, 2, (Edge("n5"),))
    drawn = attrs.evolve(TABLE_4, nodes=(*TABLE_4.nodes, extra))
    kinds = stream_kinds(drawn)
    assert {name: kinds[name] for name in ("rgb", "s1", "n5")} == dict.fromkeys(
        ("rgb", "s1", "n5"), "rgb"
    )
    assert {kinds[name] for name in ("flow", "s2", "n4")} == {"flow"}
    assert {kinds[f"n{number}"] for number in range(6, 15)} == {"mixed"}
    assert kinds["idle"] == "unused"
    found = boxes(dot_source(drawn))
    for name, kind in kinds.items():
        assert f'fillcolor="{PAINTS[kind].fill}"' in found[name][1]
        assert ("dashed" in found[name][1]) == (kind == "unused")


def test_colours_stay_apart_without_hue() -> None:
    """The three kinds differ by 10 in lightness (of 100), and the text has contrast 4.5."""

    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    fills = [luminance(PAINTS[kind].fill) for kind in ("flow", "rgb", "mixed")]
    lightness = [116 * fill ** (1 / 3) - 16 for fill in fills]
    assert lightness[1] - lightness[0] >= 10
    assert lightness[2] - lightness[1] >= 10
    assert all((fill + 0.05) / (luminance("#222222") + 0.05) >= 4.5 for fill in fills)


def test_without_weights_all_arrows_are_equal() -> None:
    """Weights have no effect on the lines, and no numbers are written."""
    found = arrows(dot_source(ASN50)).values()
    assert len({(label, *pen.items()) for label, pen in found}) == 1


def test_with_weights_an_edge_is_dashed_plain_or_of_its_weight() -> None:
    """Dashed if untrained. Plain for a sole input and the sink, which have no weights."""
    rows: list[Row] = [*STEMS[:2], ("n1", 1, ["s0", ("s1", 0.25)], 8, 1), ("n2", 2, ["n1"], 8, 1)]
    found = arrows(dot_source(network("half", rows), weights=True))
    assert found["s0", "n1"][1]["style"] == "dashed"
    plain = found["n1", "n2"][1]
    assert plain == found["rgb", "s0"][1] == found["n2", "(sink)"][1]
    assert "style" not in plain
    label, pen = found["s1", "n1"]
    assert label == "0.25"
    assert pen["color"].strip('"') == weight_pen(0.25)["color"]
    assert float(pen["penwidth"]) == weight_pen(0.25)["penwidth"]


@given(networks())
def test_exactly_the_untrained_edges_are_dashed(drawn: Network) -> None:
    """They are the edges without a weight into needed nodes with several inputs."""
    unused = {name for name, kind in stream_kinds(drawn).items() if kind == "unused"}
    expected = {
        (edge.source, node.name)
        for node in drawn.nodes
        for edge in node.inputs
        if len(node.inputs) > 1 and edge.weight is None and node.name not in unused
    }
    found = arrow_list(dot_source(drawn, weights=True))
    dashed = {ends for ends, _, pen in found if pen.get("style") == "dashed"}
    assert dashed == expected


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_heavier_edge_is_darker_and_wider(first: float, second: float) -> None:
    """Darkness does not decrease with the weight, and width increases with it."""
    light, heavy = (weight_pen(weight) for weight in sorted((first, second)))
    assert int(str(heavy["color"])[1:], 16) <= int(str(light["color"])[1:], 16)
    assert float(heavy["penwidth"]) >= float(light["penwidth"])
    if abs(first - second) > 0.02:
        assert heavy["color"] != light["color"]
        assert heavy["penwidth"] != light["penwidth"]


def test_numbers_are_written_by_default_up_to_forty_edges() -> None:
    """More numbers would hide the drawing. `numbers` overrides the default."""
    names = [f"a{number}" for number in range(41)]
    rows: list[Row] = [
        *((name, 0, ["rgb"], 8, 1) for name in names),
        ("n", 1, [(name, 0.5) for name in names], 8, 1),
    ]
    many = network("many", rows)

    def count(drawn: Network, numbers: bool | None = None) -> int:
        found = arrows(dot_source(drawn, weights=True, numbers=numbers))
        return sum(bool(label) for label, _ in found.values())

    assert count(ASN50) == 28
    assert count(ASN50, numbers=False) == 0
    assert count(many) == 0
    assert count(many, numbers=True) == 41


@needs_pure
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_a_number_is_drawn_on_its_edge(direction: Direction) -> None:
    """The two halves of an edge end at opposite sides of the box of its number."""
    drawn = layout(dot_source(ASN50, weights=True, direction=direction))
    centres = {item["_gvid"]: item for item in drawn["objects"] if "pos" in item}
    halves = [
        (centres[edge[end]], edge["pos"].removeprefix("e,").split()[place])
        for edge in drawn["edges"]
        for end, place in (("head", -1), ("tail", 1))
        if centres[edge[end]]["name"].startswith("(") and "->" in centres[edge[end]]["name"]
    ]
    assert len(halves) == 2 * 28
    for box, point in halves:
        distance = [
            abs(float(a) - float(b)) for a, b in zip(box["pos"].split(","), point.split(","))
        ]
        half = 36 * float(box["width" if direction == "LR" else "height"])
        assert distance == pytest.approx([half, 0] if direction == "LR" else [0, half], abs=1.5)


def test_repeated_edges_have_a_number_each() -> None:
    """So has an edge that leads to a lower level, in a network with errors."""
    rows: list[Row] = [*STEMS[:2], ("n1", 1, [("s0", 0.25), ("s0", 0.5), ("n2", 0.75)], 8, 1)]
    found = arrow_list(dot_source(network("n", [*rows, ("n2", 2, ["n1"], 8, 1)]), weights=True))
    assert [(ends, label) for ends, label, _ in found if ends[1] == "n1"] == [
        (("s0", "n1"), "0.25"),
        (("s0", "n1"), "0.50"),
        (("n2", "n1"), "0.75"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        attrs.evolve(SMALL, nodes=()),
        attrs.evolve(SMALL, inputs=()),
        attrs.evolve(SMALL, nodes=(*SMALL.nodes, *SMALL.nodes)),
        network("unknown", [("n1", 1, ["nobody"], 8, 1)]),
        network("circle", [("a", 1, ["b"], 8, 1), ("b", 2, ["a"], 8, 1), ("c", 2, ["c"], 8, 1)]),
        network("numbers", [("a", -3, ["rgb"], -1, 0), ("b", 77, [("a", 2.0), "rgb"], 10**9, 0)]),
    ],
    ids=["no nodes", "no inputs", "twice", "unknown", "circle", "numbers"],
)
@needs_pure
def test_a_network_with_errors_is_drawn_too(broken: Network) -> None:
    """A drawing helps to find the mistake."""
    assert "<svg" in draw(broken, "svg", weights=True)
    assert "<svg" in draw(broken, "svg", diff=SMALL)


def test_a_change_shows_by_sign_and_outline_as_well_as_colour() -> None:
    """Added, removed and changed parts are distinct without colours."""
    found = boxes(diff_source(CHANGED, SMALL))
    assert found["n1"][0].split() == ["~", "n1", "C=8", "r", "8", "-&gt;", "2"]
    assert "peripheries=2" in found["n1"][1]
    assert found["n2"][0].split() == ["-", "n2", "C=16", "r=1"]
    assert "dashed" in found["n2"][1]
    assert found["s0"][0].split() == ["s0", "C=32", "r=4"]
    added = boxes(diff_source(SMALL, CHANGED))
    assert added["n2"][0].split() == ["+", "n2", "C=16", "r=1"]
    assert "penwidth=2.6" in added["n2"][1]
    assert added["(sink)"][0].split() == ["~", "sink", "classes", "10", "-&gt;", "157"]


def test_added_edges_are_wide_and_removed_edges_dashed() -> None:
    """Edges of a node that both networks have are distinct, too."""
    added = arrows(diff_source(SMALL, CHANGED))
    assert added["s2", "n1"][1]["penwidth"] == "2.6"
    assert added["s0", "n1"][1]["penwidth"] == "1"
    removed = arrows(diff_source(CHANGED, SMALL))
    assert removed["s2", "n1"][1]["style"] == "dashed"
    assert "style" not in removed["s0", "n1"][1]


def test_changed_weights_show_on_request() -> None:
    """Training changes every weight: only changes of the first two digits are written."""
    rows: list[Row] = [*STEMS[:2], ("n1", 1, [("s0", 0.25), ("s1", 0.501)], 8, 1)]
    after: list[Row] = [*STEMS[:2], ("n1", 1, [("s0", 0.75), ("s1", 0.502)], 8, 1)]
    old, new = network("a", rows), network("a", after)
    assert {label for label, _ in arrows(diff_source(old, new)).values()} == {""}
    found = arrows(diff_source(old, new, weights=True))
    assert found["s0", "n1"][0] == "0.25 -> 0.75"
    assert found["s1", "n1"][0] == ""


def test_the_caption_has_both_names_and_the_changes_of_the_network() -> None:
    """These changes have no box."""
    caption = re.sub("<[^>]*>", "", diff_source(SMALL, CHANGED).splitlines()[-2])
    assert "small -&gt; child" in caption
    assert "modules 3, 4, 6, 3 -&gt; 3, 4, 5, 3" in caption


@given(networks(), networks())
def test_any_two_networks_are_drawn_together(old: Network, new: Network) -> None:
    """Every input and node of both networks has a box."""
    names = [
        *(value.name for value in (*old.inputs, *new.inputs)),
        *(node.name for node in (*old.nodes, *new.nodes)),
    ]
    assert set(boxes(diff_source(old, new, weights=True))) == {*map(identifier, names), "(sink)"}


PLUS = """anet 1
network plus attention=peer
input rgb channels=3
input flow channels=2
input object channels=9 kind=object
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node s1 level=0 C=4 r=1 stride=4 inputs=[flow]
node s2 level=0 stride=4 inputs=[object]
node n1 level=1 C=4 r=1 stride=1 inputs=[s2]
node n2 level=2 C=4 r=2 stride=2 inputs=[s0, n1] peers=[s1@0.6, s2@0.3]
sink inputs=[n2] classes=3
"""


def test_object_streams_have_a_colour_and_their_stem_is_a_pool() -> None:
    """The legend names the three kinds; a node that several of them reach is `several`."""
    network = anetdsl.parse(PLUS)
    kinds = stream_kinds(network)
    assert {kinds[name] for name in ("object", "s2", "n1")} == {"object"}
    assert (kinds["n2"], kinds["s1"]) == ("mixed", "flow")  # s1 is a peer only
    text = dot_source(network)
    assert boxes(text)["s2"][0].split() == ["s2", "pool"]
    assert all(f">{word}<" in text for word in ("RGB", "flow", "objects", "several"))


def test_peers_are_thin_dotted_edges_on_request() -> None:
    """Listed peers are drawn, the darker the higher the share; without a list, all of them are."""
    network = anetdsl.parse(PLUS)
    assert "dotted" not in dot_source(network)
    lines = [line for line in dot_source(network, peers=True).splitlines() if "dotted" in line]
    ends = [tuple(re.findall(r"\w+", line)[:2]) for line in lines]
    assert ends == [("s2", "n1"), ("s1", "n1"), ("s0", "n1"), ("s2", "n2"), ("s1", "n2")]
    opacity = [int(re.search(r"#55308D(..)", line)[1], 16) for line in lines]  # type: ignore[index]
    assert opacity[:3] == [255] * 3
    assert opacity[3] < opacity[4] == 255
    plain = attrs.evolve(network, attention="none")
    assert dot_source(plain, peers=True) == dot_source(plain)
