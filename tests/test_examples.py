"""The example networks: without findings, in canonical layout, as in the paper, and runnable."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import torch

import anetc
import anetdsl
from anetc.modules.network import NetworkModule
from anetdsl.interchange.authors import to_structure

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PATHS = sorted(EXAMPLES.glob("*.anet"))
SMALL = [path for path in PATHS if path.stem.startswith("small_")]

# Table 4 of the paper: {node_level, input_node_list, C, r, and spatial stride}.
TABLE_4 = """
0   0, [RGB], 32, 4, 4
1   0, [RGB], 32, 4, 4
2   0, [Flow], 32, 1, 4
3   0, [Flow], 32, 1, 4
4   1, [2, 3], 64, 4, 1
5   1, [0], 64, 2, 1
6   2, [1, 4, 5], 64, 1, 2
7   2, [4, 5], 64, 8, 2
8   2, [4, 5], 64, 2, 2
9   2, [0, 1, 4, 5], 64, 8, 2
10  3, [0, 1, 5, 6, 9], 128, 4, 2
11  3, [6, 7, 8], 128, 1, 2
12  3, [5, 6, 8, 9], 128, 4, 2
13  3, [4, 5, 6, 8, 9], 128, 8, 2
14  4, [10, 11, 12, 13], 512, 4, 2
"""


def ids(path: Path) -> str:
    return path.stem


def test_all_networks_of_the_paper_have_an_example_and_a_small_one() -> None:
    names = {path.stem for path in PATHS}
    hand_designed = {
        "two_stream_late",
        "two_stream_late_256",
        "two_stream_level4",
        "two_stream_fully",
        "flow_to_rgb",
        "four_stream_fully",
        "single_stream_rgb",
        "single_stream_flow",
    }
    found = {"assemblenet", "assemblenet_plus", "assemblenet_plus_lite"}
    assert found | {"asn50", "asn101"} | hand_designed <= names
    assert {f"small_{name}" for name in hand_designed | found} <= names


@pytest.mark.parametrize("path", PATHS, ids=ids)
def test_an_example_has_no_findings_and_canonical_layout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert anetdsl.check(text) == ()
    assert anetdsl.format_text(text) == text
    assert anetdsl.load(path).name == path.stem


@pytest.mark.parametrize("path", PATHS, ids=ids)
def test_an_example_starts_with_a_comment_that_cites_the_paper(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = " ".join(line for line in lines[: lines.index("anet 1")])
    assert comment.startswith("#")
    assert "paper" in comment


def test_assemblenet_is_table_4() -> None:
    rows = []
    for node in anetdsl.load(EXAMPLES / "assemblenet.anet").nodes:
        number = node.name[1:]
        names = {"rgb": "RGB", "flow": "Flow"}
        inputs = ", ".join(names.get(edge.source, edge.source[1:]) for edge in node.inputs)
        block = f"{node.level}, [{inputs}], {node.channels}, {node.dilation}, {node.stride}"
        rows.append(f"{number:<3} {block}")
    assert rows == TABLE_4.strip().splitlines()


@pytest.mark.parametrize("name", ["asn50", "asn101"])
def test_the_authors_networks_equal_the_published_ones(name: str, shared: Path) -> None:
    facts = json.loads((shared / "facts" / "authors_structures.json").read_text(encoding="utf-8"))
    structure, weights = to_structure(anetdsl.load(EXAMPLES / f"{name}.anet"))
    assert structure == facts[f"{name}_structure"]
    assert weights == facts["asn_structure_weights"]


@pytest.mark.parametrize(
    ("name", "structure", "weights"),
    [
        ("assemblenet_plus", "full_asnp50_structure", "full_asnp_structure_weights"),
        ("assemblenet_plus_lite", "asnp_lite_structure", "asnp_lite_structure_weights"),
    ],
)
def test_the_networks_of_assemblenet_plus_plus_equal_the_published_ones(
    name: str, structure: str, weights: str, shared: Path
) -> None:
    facts = json.loads((shared / "facts" / "authors_structures.json").read_text(encoding="utf-8"))
    network = anetdsl.load(EXAMPLES / f"{name}.anet")
    assert to_structure(network) == (facts[structure], facts[weights])
    assert (network.attention, network.edges, network.sink.classes) == ("peer", "fixed", 157)


@pytest.mark.parametrize("path", SMALL, ids=ids)
def test_a_small_example_has_an_eighth_of_the_channels(path: Path) -> None:
    small = anetdsl.load(path)
    large = anetdsl.load(path.with_name(path.name.removeprefix("small_")))
    pairs = zip(small.nodes, large.nodes, strict=True)
    for node, other in pairs:
        assert node.filters == tuple(count // 8 for count in other.filters)
        same = attrs.evolve(other, channels=node.channels, inputs=node.inputs)
        assert same == node
        sources = [[edge.source for edge in value.inputs] for value in (node, other)]
        assert sources[0] == sources[1]
    is_full = small.blocks == "full"
    assert small.widths == tuple(width // 8 if is_full else width for width in large.widths)
    assert (small.modules, small.blocks) == (large.modules, large.blocks)
    assert small.attention == large.attention


@pytest.mark.parametrize("path", PATHS, ids=ids)
def test_the_module_of_an_example_has_the_parameters_of_its_cost(path: Path) -> None:
    network = anetdsl.load(path)
    with torch.device("meta"):
        model = NetworkModule(network)
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters == anetdsl.cost(network).parameters


@pytest.mark.parametrize("path", SMALL, ids=ids)
def test_a_small_example_runs(path: Path) -> None:
    network = anetdsl.load(path)
    model = anetc.build_network(network).eval()
    inputs = {value.name: torch.rand(1, value.channels, 4, 32, 40) for value in network.inputs}
    with torch.inference_mode():
        logits = model(inputs)
    assert logits.shape == (1, network.sink.classes)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("name", "parameters"), [("assemblenet", 32_916_863), ("asn50", 36_900_985)]
)
def test_parameters_for_157_classes(name: str, parameters: int) -> None:
    """The numbers equal those of the authors' own models, learned edge weights included."""
    network = anetdsl.load(EXAMPLES / f"{name}.anet")
    assert anetdsl.cost(network, classes=157).parameters == parameters
    model = anetc.build_network(attrs.evolve(network, sink=attrs.evolve(network.sink, classes=157)))
    assert sum(p.numel() for p in model.parameters()) == parameters
