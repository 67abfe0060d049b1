"""Import and export of the authors' structure lists without loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given

import anetdsl
from anetdsl.interchange.authors import NotExpressibleError, from_structure, to_structure
from anetdsl.interchange.json_value import InterchangeError
from anetdsl.interchange.structure_files import export_document, import_document
from anetdsl.ir import Edge, Input, Network, Node, Sink
from tests.interchange.cases import SMALL, SMALL_WEIGHTS, refused, through_json
from tests.networks import TABLE_4, networks, table_4


def test_reads_table_4() -> None:
    """Indexes are names, stems share 128 channels, and the sink reads the top level."""
    network = table_4()
    assert network.inputs == (Input("rgb", 3, "rgb"), Input("flow", 2, "flow"))
    assert network.node("s2") == Node("s2", 0, 32, 1, 4, (Edge("flow"),))
    assert network.node("n7") == Node("n7", 2, 64, 8, 2, (Edge("n4"), Edge("n5")))
    assert network.sink == Sink((Edge("n14"),), 339)
    assert to_structure(network) == (TABLE_4, None)


def test_the_last_zero_may_be_missing() -> None:
    """The last number of a block has no meaning."""
    shorter = [row[:5] for row in SMALL]
    assert from_structure(shorter, name="a") == from_structure(SMALL, name="a")


def test_declares_only_inputs_that_are_read() -> None:
    """A network of RGB stems has no flow input."""
    rows = [[-1, 1], [0, [0], 8, 2, 1, 0], [3, [1], 8, 1, 2, 0]]
    assert [value.name for value in from_structure(rows, name="a").inputs] == ["rgb"]


@pytest.mark.parametrize("structure", ["asn50_structure", "asn101_structure"])
def test_the_published_lists_survive_import_and_export(shared: Path, structure: str) -> None:
    """The lists and their weights stay exactly the same."""
    lists = json.loads((shared / "facts" / "authors_structures.json").read_text())
    network = import_document(lists, structure=structure, weights="asn_structure_weights")
    assert network.name == structure.removesuffix("_structure")
    assert to_structure(network) == (lists[structure], lists["asn_structure_weights"])
    assert network.node("n7").inputs[0] == Edge("s2", 0.5846117734909058)


PLUS_LISTS = [
    ("full_asnp50_structure", "full_asnp_structure_weights"),
    ("asnp_lite_structure", "asnp_lite_structure_weights"),
]


@pytest.mark.parametrize(("structure", "weights"), PLUS_LISTS)
def test_lists_of_assemblenet_plus_plus_are_kept(
    shared: Path, structure: str, weights: str
) -> None:
    """Object stems and triples survive as lists, as text, and as JSON."""
    lists = json.loads((shared / "facts" / "authors_structures.json").read_text())
    network = from_structure(
        lists[structure], lists[weights], name="a", edges="fixed", attention="peer"
    )
    assert to_structure(network) == (lists[structure], lists[weights])
    assert anetdsl.parse(str(network)) == network
    document = json.loads(json.dumps(export_document(network)))
    assert document["structure"] == lists[structure]
    assert import_document(document) == network


def test_the_kind_of_blocks_follows_from_the_lists() -> None:
    """Triples mean lite blocks, with their modules and stems; an object stem is a pool."""
    rows = [[-1, 2], [-3, 4], [-3, 2], [0, [0, 1], [4, 4, 8], 2, 2], [3, [2, 3], [6, 6, 8], 1, 2]]
    network = from_structure(rows, name="a")
    assert (network.blocks, network.modules) == ("lite", (3, 5, 11, 7))
    assert network.node("s0") == Node("s0", 0, 24, 2, 2, (Edge("rgb"),))
    assert network.node("s1") == Node("s1", 0, None, None, 4, (Edge("object"),))
    assert network.node("s2").dilation == 2
    assert network.input("object") == Input("object", 151, "object")
    assert to_structure(network)[0] == [*rows[:3], *([*row, 0] for row in rows[3:])]


@given(networks(authors=True))
def test_export_and_import_give_an_equal_network(network: Network) -> None:
    """The field `anet` has names, order, weights, notes and more."""
    document = through_json(export_document(network))
    assert import_document(document) == network
    structure, weights = to_structure(network)
    assert document["structure"] == structure
    assert document.get("weights") == weights


@given(networks(authors=True))
def test_import_and_export_keep_the_lists(network: Network) -> None:
    """Lists without the field `anet` stay equal."""
    structure, weights = to_structure(network)
    assert to_structure(from_structure(structure, weights, name="a")) == (structure, weights)


@given(networks())
def test_export_is_lossless_or_refused(network: Network) -> None:
    """The error has at least one reason."""
    problems = refused(lambda: export_document(network), NotExpressibleError)
    if problems is None:
        assert import_document(export_document(network)) == network
    else:
        assert problems.problems
        assert all(f"\n- {problem}" in str(problems) for problem in problems.problems)


def test_the_error_of_export_lists_all_reasons() -> None:
    network = Network(
        "odd",
        (Input("rgb", 3), Input("grey", 1), Input("second", 3)),
        (
            Node("s0", 0, 40, 1, 4, (Edge("rgb"),)),
            Node("s1", 0, 64, 1, 4, (Edge("grey"),)),
            Node("n2", 1, 8, 1, 1, (Edge("s0"), Edge("s1"))),
            Node("n3", 4, 8, 1, 2, (Edge("n2"),)),
            Node("n4", 4, 8, 1, 2, (Edge("n2"),)),
        ),
        Sink((Edge("n2"), Edge("n3"), Edge("n3")), 10, combine="concat"),
    )
    with pytest.raises(NotExpressibleError) as caught:
        to_structure(network)
    assert caught.value.problems == (
        "input `grey` (1 channels, kind=rgb) is neither RGB (3 channels, kind=rgb) nor flow "
        "(2 channels, kind=flow) nor objects (kind=object)",
        "input `second` is a second rgb input after `rgb`",
        "stem `s0` has C=40; the authors' stems have 128 // 2 stems = 64",
        "the sink has combine=concat, not mean",
        "the sink reads `n2`; the authors' sink reads level 4 only",
        "the sink reads `n3` twice",
        "the sink does not read `n4`; the authors' sink reads all of level 4",
    )


def test_untrained_edges_beside_trained_ones() -> None:
    """The lists have 0.5 for the edge; the field `anet` marks it as untrained."""
    network = from_structure(SMALL, SMALL_WEIGHTS, name="a")
    nodes = list(network.nodes)
    nodes[2] = attrs.evolve(nodes[2], inputs=(Edge("s0", 0.25), Edge("s1")))
    network = attrs.evolve(network, nodes=tuple(nodes))
    document = export_document(network)
    assert document["weights"][2] == [[0.25, 0.5]]
    assert document["anet"]["weights"] == [[2, 1, None]]
    assert import_document(document) == network


def test_arguments_replace_values_of_the_document() -> None:
    """These are name, classes, widths, modules and edges."""
    chosen: dict[str, Any] = {
        "name": "mine",
        "classes": 7,
        "widths": (8, 16, 32, 64),
        "modules": (3, 4, 23, 3),
        "edges": "fixed",
    }
    bare = import_document(SMALL, **chosen)
    assert bare == from_structure(SMALL, **chosen)
    exported = export_document(from_structure(SMALL, name="other"))
    assert import_document(exported, **chosen) == bare


def test_one_of_several_structures_is_selected_by_name() -> None:
    """The suffix can be left out. A sole structure needs no name."""
    several = {"a_structure": SMALL, "b_structure": TABLE_4, "a_weights": SMALL_WEIGHTS}
    assert import_document(several, structure="b").nodes == table_4().nodes
    trained = import_document(several, structure="a_structure", weights="a_weights")
    assert trained == from_structure(SMALL, SMALL_WEIGHTS, name="a")
    with pytest.raises(InterchangeError, match=r"select one .*: a_structure, b_structure"):
        import_document(several)
    with pytest.raises(
        InterchangeError, match=r"did you mean `b_structure`.* a_structure, b_struc"
    ):
        import_document(several, structure="b_structur")
    with pytest.raises(InterchangeError, match="no list of weights `c`; there are: a_weights"):
        import_document(several, structure="a", weights="c")
    with pytest.raises(InterchangeError, match="one structure"):
        import_document(SMALL, structure="a")
    assert import_document({"only-one_structure": SMALL}).name == "only_one"
