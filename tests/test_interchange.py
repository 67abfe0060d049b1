"""The authors' structure lists and JSON: nothing is lost, and each mistake is one clear error."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetdsl.interchange.authors import NotExpressibleError, from_structure, to_structure
from anetdsl.interchange.document import from_json, load_json, to_json
from anetdsl.interchange.reading import InterchangeError, as_name, is_name
from anetdsl.interchange.structure_files import export_document, import_document, load_document
from anetdsl.ir import Edge, Input, Network, Node, Sink
from tests.networks import TABLE_4, networks, table_4

Error = TypeVar("Error", bound=InterchangeError)

SMALL = [[-1, 4], [-2, 1], [0, [0, 1], 8, 2, 1, 0], [1, [0], 8, 1, 2, 0], [3, [2, 3], 16, 1, 2, 0]]
SMALL_WEIGHTS = [[], [], [[0.25, 0.75]], [], [[0.5, 0.125]]]


def through_json(value: object) -> Any:
    return json.loads(json.dumps(value))


def refused(work: Callable[[], object], kind: type[Error]) -> Error | None:
    """The error of this kind that work raises, if it raises one."""
    try:
        work()
    except kind as error:
        return error
    return None


# The authors' lists


def test_reads_table_4() -> None:
    """Nodes are named by their indexes; stems share 128 channels; the sink reads the top level."""
    network = table_4()
    assert network.inputs == (Input("rgb", 3, "rgb"), Input("flow", 2, "flow"))
    assert network.node("s2") == Node("s2", 0, 32, 1, 4, (Edge("flow"),))
    assert network.node("n7") == Node("n7", 2, 64, 8, 2, (Edge("n4"), Edge("n5")))
    assert network.sink == Sink((Edge("n14"),), 339)
    assert to_structure(network) == (TABLE_4, None)


def test_the_last_zero_may_be_missing() -> None:
    """Blocks come with and without the number that the authors do not use."""
    shorter = [row[:5] for row in SMALL]
    assert from_structure(shorter, name="a") == from_structure(SMALL, name="a")


def test_declares_only_inputs_that_are_read() -> None:
    """A network of RGB stems has no flow input."""
    rows = [[-1, 1], [0, [0], 8, 2, 1, 0], [3, [1], 8, 1, 2, 0]]
    assert [value.name for value in from_structure(rows, name="a").inputs] == ["rgb"]


@pytest.mark.parametrize("structure", ["asn50_structure", "asn101_structure"])
def test_authors_own_lists_come_back_as_they_were(shared: Path, structure: str) -> None:
    """Import and export keep the published lists, with their weights, exactly."""
    lists = json.loads((shared / "facts" / "authors_structures.json").read_text())
    network = import_document(lists, structure=structure, weights="asn_structure_weights")
    assert network.name == structure.removesuffix("_structure")
    assert to_structure(network) == (lists[structure], lists["asn_structure_weights"])
    assert network.node("n7").inputs[0] == Edge("s2", 0.5846117734909058)


@pytest.mark.parametrize("structure", ["asnp_lite", "full_asnp50"])
def test_assemblenet_plus_plus_is_told_apart(shared: Path, structure: str) -> None:
    """Object stems and lists of channels belong to the follow-up, and the error says so."""
    lists = json.loads((shared / "facts" / "authors_structures.json").read_text())
    with pytest.raises(InterchangeError, match=r"AssembleNet\+\+"):
        import_document(lists, structure=structure)


@given(networks(authors=True))
def test_export_and_import_give_an_equal_network(network: Network) -> None:
    """Whatever the lists leave unsaid stands beside them: names, order, weights, notes, ..."""
    document = through_json(export_document(network))
    assert import_document(document) == network
    structure, weights = to_structure(network)
    assert document["structure"] == structure
    assert document.get("weights") == weights


@given(networks(authors=True))
def test_import_and_export_keep_the_lists(network: Network) -> None:
    """Lists without anything beside them come back equal."""
    structure, weights = to_structure(network)
    assert to_structure(from_structure(structure, weights, name="a")) == (structure, weights)


@given(networks())
def test_export_names_all_that_stands_against_it(network: Network) -> None:
    """A network is exported without loss, or refused with reasons."""
    problems = refused(lambda: export_document(network), NotExpressibleError)
    if problems is None:
        assert import_document(export_document(network)) == network
    else:
        assert problems.problems
        assert all(f"\n- {problem}" in str(problems) for problem in problems.problems)


def test_refuses_with_every_reason() -> None:
    """One error lists everything that the authors' lists cannot say."""
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
        "(2 channels, kind=flow)",
        "input `second` is a second rgb input beside `rgb`",
        "stem `s0` has C=40; theirs have 128 // 2 stems = 64",
        "the sink has combine=concat; theirs takes the mean",
        "the sink reads `n2`; theirs reads level 4 only",
        "the sink reads `n3` twice",
        "the sink does not read `n4`; theirs reads all of level 4",
    )


def test_untrained_edges_beside_trained_ones() -> None:
    """The lists give what the edge counts, 0.5; the document remembers that it is untrained."""
    network = from_structure(SMALL, SMALL_WEIGHTS, name="a")
    nodes = list(network.nodes)
    nodes[2] = attrs.evolve(nodes[2], inputs=(Edge("s0", 0.25), Edge("s1")))
    network = attrs.evolve(network, nodes=tuple(nodes))
    document = export_document(network)
    assert document["weights"][2] == [[0.25, 0.5]]
    assert document["anet"]["weights"] == [[2, 1, None]]
    assert import_document(document) == network


def test_what_is_given_stands_in_for_what_the_document_says() -> None:
    """Name, classes, widths, modules and edges can be chosen at import."""
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


def test_choice_by_name() -> None:
    """One of several is chosen, with or without its ending; a sole one needs no choice."""
    several = {"a_structure": SMALL, "b_structure": TABLE_4, "a_weights": SMALL_WEIGHTS}
    assert import_document(several, structure="b").nodes == table_4().nodes
    trained = import_document(several, structure="a_structure", weights="a_weights")
    assert trained == from_structure(SMALL, SMALL_WEIGHTS, name="a")
    with pytest.raises(InterchangeError, match=r"choose one .*: a_structure, b_structure"):
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


def changed(path: tuple[Any, ...], value: Any) -> list[Any]:
    """SMALL with another value at a place."""
    structure = copy.deepcopy(SMALL)
    place: Any = structure
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return structure


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (None, "structure: expected a list of nodes, not null"),
        ({}, "choose one of the structures by its name: none"),
        ([], "structure: no stem [-1 or -2, dilation]: nothing reads the video"),
        (SMALL[:2], "structure: no block of level 3: the classifier would read nothing"),
        ([[-1, 1]] * 129, "structure: 129 stems share 128 channels, which leaves them none"),
        (changed((0,), 7), "structure[0]: expected a stem [-1 or -2, dilation] or a block"),
        (changed((0,), []), "structure[0]: expected a stem [-1 or -2, dilation] or a block"),
        (changed((0,), [-1]), "structure[0]: expected a stem [-1, dilation], not 1 items"),
        (changed((0,), [-1, 1, 0]), "structure[0]: expected a stem [-1, dilation], not 3 items"),
        (changed((0, 0), -4), "structure[0][0]: expected -1 (RGB stem), -2 (flow stem) or a level"),
        (changed((0, 0), -3), "structure[0][0]: an object stem (-3) belongs to AssembleNet++"),
        (changed((0, 0), "rgb"), "structure[0][0]: expected -1 (RGB stem), -2 (flow stem) or a le"),
        (changed((0, 1), 0), "structure[0][1]: expected a whole number from 1 to 256, not 0"),
        (changed((0, 1), True), "structure[0][1]: expected a whole number from 1 to 256, not true"),
        (changed((0, 1), 1.0), "structure[0][1]: expected a whole number from 1 to 256, not 1.0"),
        (changed((2,), [0, [0], 8, 1]), "structure[2]: expected a block [level, [inputs], C, dil"),
        (changed((2, 1), 0), "structure[2][1]: expected a list of the indexes of the nodes that"),
        (changed((2, 1), []), "structure[2][1]: expected the index of at least one node, not an e"),
        (changed((2, 1, 1), 5), "structure[2][1][1]: expected a node's index from 0 to 4, not 5"),
        (changed((2, 1, 1), -1), "structure[2][1][1]: expected a node's index from 0 to 4, not -1"),
        (changed((2, 1, 1), 2), "structure[2][1][1]: node 2 reads node 2, which does not come bef"),
        (changed((2, 1, 1), 4), "structure[2][1][1]: node 2 reads node 4, which does not come bef"),
        (changed((2, 1, 1), False), "structure[2][1][1]: expected a node's index from 0 to 4, not"),
        (
            changed((3,), [0, [2], 8, 1, 2, 0]),
            "structure[3][1][0]: node 3 (level 0) reads node 2 (lev",
        ),
        (
            changed((2, 2), [27, 27, 12]),
            "structure[2][2]: a list of channels belongs to AssembleNe",
        ),
        (
            changed((2, 2), 51200000),
            "structure[2][2]: expected a whole number from 1 to 8,192, not",
        ),
        (
            changed((2, 2), 10**5000),
            "structure[2][2]: expected a whole number from 1 to 8,192, not",
        ),
        (changed((2, 4), None), "structure[2][4]: expected a whole number from 1 to 16, not null"),
        (changed((2, 5), 1), "structure[2][5]: expected 0, which the authors do not use, not 1"),
        (changed((2, 4), 3), "structure: the sizes of `n3` and `n2` do not meet"),
    ],
)
def test_wrong_structures(structure: Any, message: str) -> None:
    """Each mistake is one error with its place."""
    with pytest.raises(InterchangeError) as caught:
        import_document(structure)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (7, "weights: expected a list of weights for each node, not 7"),
        ([[]], "weights: expected one list for each of 5 nodes, not 1"),
        ([[[0.5]], [], [], [], []], "weights[0]: a stem has no weights: expected []"),
        ([[], [], [], [[0.5]], []], "weights[3]: a sole input has no weights: expected []"),
        ([[], [], [0.5, 0.5], [], []], "weights[2]: expected [[w, ...]], one list within a list"),
        ([[], [], [0.5], [], []], "weights[2][0]: expected a list of weights, not 0.5"),
        ([[], [], [[0.5]], [], []], "weights[2][0]: expected 2 weights, one an input, not 1"),
        ([[], [], [[0.5, 1]], [], []], "weights[2][0][1]: expected a weight between 0 and 1"),
        ([[], [], [[0.0, 0.5]], [], []], "weights[2][0][0]: expected a weight between 0 and 1"),
        ([[], [], [[True, 0.5]], [], []], "weights[2][0][0]: expected a number, not true"),
        ([[], [], [[None, 0.5]], [], []], "weights[2][0][0]: expected a number, not null"),
        ([[], [], [[10**400, 0.5]], [], []], "weights[2][0][0]: expected a number, not a whole"),
        ([[], [], [[float("nan"), 0.5]], [], []], "weights[2][0][0]: expected a finite number"),
    ],
)
def test_wrong_weights(weights: Any, message: str) -> None:
    """Each mistake is one error with its place."""
    with pytest.raises(InterchangeError) as caught:
        import_document({"structure": SMALL, "weights": weights})
    assert str(caught.value).startswith(message)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda anet: anet.pop(key)


def setting(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda anet: anet.update({key: value})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without("name"), "anet: the field `name` is missing"),
        (setting("clases", 7), "anet.clases: unknown field; did you mean `classes`?"),
        (setting("version", 2), "anet.version: expected 1, the version known here, not 2"),
        (setting("name", "node"), "anet.name: expected a name"),
        (setting("name", "a b"), "anet.name: expected a name"),
        (setting("classes", 0), "anet.classes: expected a whole number from 1 to 1,000,000, not 0"),
        (setting("head", "max"), 'anet.head: expected `mean` or `maxpool`, not "max"'),
        (setting("head", ["mean"]), "anet.head: expected `mean` or `maxpool`, not a list of 1"),
        (
            setting("D", [1, 2, 3]),
            "anet.D: expected a list of 4 whole numbers from 1 to 8,192, not",
        ),
        (setting("D", [1, 2, 3, 0]), "anet.D[3]: expected a whole number from 1 to 8,192, not 0"),
        (setting("inputs", []), "anet.inputs: the structure has a rgb stem and no input of it"),
        (
            setting("inputs", [{"name": "x", "channels": 3, "kind": "flow"}]),
            "anet.inputs[0]: neither RGB (3 channels, kind rgb) nor flow",
        ),
        (
            setting("inputs", [{"name": "x", "channels": 3}, {"name": "y", "channels": 3}]),
            "anet.inputs[1]: a second rgb input",
        ),
        (
            setting("inputs", [{"name": "x", "channels": 3}, {"name": "x", "channels": 2}]),
            "anet.inputs: two inputs have the same name",
        ),
        (setting("nodes", ["a"]), "anet.nodes: expected the names of 5 nodes, not 1"),
        (setting("nodes", [*"abcdd"]), "anet.nodes[4]: the name `d` is taken already"),
        (setting("nodes", ["rgb", *"bcde"]), "anet.nodes[0]: the name `rgb` is taken already"),
        (setting("order", ["s0"]), "anet.order: expected each of s0, s1, n2, n3, n4 once"),
        (setting("sink", ["n3"]), "anet.sink: expected each of n4 once"),
        (setting("weights", [[0, 0, 0.5]]), "anet.weights[0][0]: node 0 is a stem"),
        (
            setting("weights", [[2, 2, 0.5]]),
            "anet.weights[0][1]: expected a whole number from 0 to",
        ),
        (setting("weights", [[2, 1, 5]]), "anet.weights[0][2]: expected a weight between 0 and 1"),
        (setting("weights", [[2, 1]]), "anet.weights[0]: expected a correction [node, input, wei"),
        (setting("score", {"map": 1}), "anet.score.map: unknown field; did you mean `mAP`?"),
        (setting("origin", {"round": -1}), "anet.origin.round: expected a whole number from 0 to"),
        (setting("origin", {"parent": "\ud800"}), "anet.origin.parent: the string holds half of"),
    ],
)
def test_wrong_documents(spoil: Callable[[dict[str, Any]], object], message: str) -> None:
    """What stands beside the lists is read with the same care."""
    document = export_document(from_structure(SMALL, SMALL_WEIGHTS, name="a"))
    spoil(document["anet"])
    with pytest.raises(InterchangeError) as caught:
        import_document(document)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value (line 1, column 1)"),
        ("[[-1, 4],", "not JSON: Expecting value (line 1, column 10)"),
        ("[NaN]", "not JSON: NaN is no number that JSON knows"),
        ("[-Infinity]", "not JSON: -Infinity is no number that JSON knows"),
        ("[" * 100_000, "not a network: the JSON is nested too deeply"),
        ('{"a":' * 100_000, "not a network: the JSON is nested too deeply"),
        ("[[-1, " + "9" * 5000 + "]]", "not a network: a number in the JSON has too many digits"),
        ('{"structure": [], "structure": []}', 'the JSON names the field "structure" twice'),
        ("[" + " " * (1 << 24) + "]", "the JSON text has more than 16,777,216 characters"),
        ("[[1e999, 1]]", "structure[0][0]: expected -1 (RGB stem)"),
        ("7", "structure: expected a list of nodes, not 7"),
        ('{"structure": 1, "x": 2}', "x: unknown field"),
    ],
    ids=lambda value: value[:12],
)
def test_wrong_texts(text: str, message: str) -> None:
    """What is no JSON, or too much of it, is an error and never a traceback."""
    with pytest.raises(InterchangeError) as caught:
        load_document(text)
    assert str(caught.value).startswith(message)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-4, 20)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["structure", "weights", "anet", "name", "inputs", "nodes", "s0", "rgb"]),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


def places(value: object, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values within a JSON value."""
    found = [here] if here else []
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            found.extend(places(item, (*here, key)))
    return found


@given(st.data(), networks(authors=True), st.sampled_from([to_json, export_document]))
def test_spoilt_documents_never_give_another_error(
    data: st.DataObject, network: Network, write: Callable[[Network], dict[str, Any]]
) -> None:
    """Any value in any place gives a network or the one error, with a message of one line."""
    document = through_json(write(network))
    path = data.draw(st.sampled_from(places(document)))
    holder: Any = document
    for step in path[:-1]:
        holder = holder[step]
    if data.draw(st.booleans()):
        holder[path[-1]] = data.draw(VALUES)
    else:
        del holder[path[-1]]
    read = from_json if write is to_json else import_document
    error = refused(lambda: read(document), InterchangeError)
    assert error is None or ("\n" not in str(error) and len(str(error)) < 400)


@given(VALUES)
def test_arbitrary_values_never_give_another_error(value: object) -> None:
    """Neither reader trips over anything."""
    for read in (from_json, import_document):
        with pytest.raises(InterchangeError):
            read(value)


# JSON


@given(networks())
def test_json_is_the_same_network(network: Network) -> None:
    """JSON out and in loses nothing; the version of its layout is told."""
    document = through_json(to_json(network))
    assert (document["schema"], document["schema_version"]) == ("anetdsl-network", 1)
    assert from_json(document) == network


def test_json_names_things_as_the_language_does() -> None:
    """The layout that other programs read."""
    network = from_structure(SMALL, SMALL_WEIGHTS, name="a", classes=7)
    document = to_json(network)
    assert document["nodes"][2] == {
        "name": "n2",
        "level": 1,
        "C": 8,
        "r": 2,
        "stride": 1,
        "inputs": [{"source": "s0", "weight": 0.25}, {"source": "s1", "weight": 0.75}],
    }
    assert document["sink"] == {
        "inputs": [{"source": "n4", "weight": None}],
        "classes": 7,
        "combine": "mean",
        "head": "mean",
    }
    assert "origin" not in document
    assert load_json(json.dumps(document)) == network


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), "x", 'schema: expected "anetdsl-network", not "x"'),
        (("schema_version",), 2, "schema_version: expected 1, the version known here, not 2"),
        (("nodes", 2, "C"), 0, "nodes[2].C: expected a whole number from 1 to 8,192, not 0"),
        (("nodes", 2, "level"), 5, "nodes[2].level: expected a whole number from 0 to 4, not 5"),
        (("nodes", 2, "c"), 5, "nodes[2].c: unknown field; did you mean `C`?"),
        (("nodes", 2, "name"), "rgb", "nodes[2].name: the name `rgb` is taken already"),
        (("nodes", 2, "name"), "n\u00e9", "nodes[2].name: expected a name"),
        (("nodes", 2, "inputs"), [], "nodes[2].inputs: expected at least one input, not an empty"),
        (
            ("nodes", 2, "inputs", 0, "source"),
            "rgb",
            "nodes[2].inputs[0].source: no node is called",
        ),
        (
            ("nodes", 0, "inputs", 0, "source"),
            "n2",
            "nodes[0].inputs[0].source: no input is called",
        ),
        (
            ("nodes", 0, "inputs", 0, "weight"),
            0.5,
            "nodes[0].inputs[0].weight: an edge from an inp",
        ),
        (("nodes", 2, "inputs", 0, "weight"), 1.0, "nodes[2].inputs[0].weight: expected a weight"),
        (
            ("nodes", 2, "inputs", 0, "source"),
            "n4",
            "nodes: `n2` at level 1 cannot read `n4` at le",
        ),
        (("nodes", 0, "stride"), 2, "nodes: a stem's stride is 4, not 2"),
        (
            ("sink", "inputs", 0, "weight"),
            0.5,
            "sink.inputs[0].weight: an edge into the sink has no",
        ),
        (("sink", "inputs", 0, "source"), "rgb", "sink.inputs[0].source: no node is called `rgb`"),
        (("sink", "combine"), "max", 'sink.combine: expected `mean` or `concat`, not "max"'),
        (("edges",), "free", 'edges: expected `learned` or `fixed`, not "free"'),
        (("inputs", 0, "channels"), "3", "inputs[0].channels: expected a whole number from 1 to 1"),
        (("we ird",), 1, '["we ird"]: unknown field'),
    ],
)
def test_wrong_json(path: tuple[Any, ...], value: object, message: str) -> None:
    """Each mistake is one error with its place; the checks' errors are among them."""
    document = to_json(from_structure(SMALL, SMALL_WEIGHTS, name="a"))
    holder: Any = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(InterchangeError) as caught:
        from_json(document)
    assert str(caught.value).startswith(message)


@given(st.text(max_size=12))
def test_any_text_makes_a_name(text: str) -> None:
    """Names made of file names are names of the language, and good ones stay."""
    assert is_name(as_name(text))
    if is_name(text):
        assert as_name(text) == text
