"""Each mistake in an imported document is one error with its place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetdsl.interchange.authors import from_structure
from anetdsl.interchange.document import from_json, to_json
from anetdsl.interchange.json_value import InterchangeError, parse_json
from anetdsl.interchange.structure_files import export_document, import_document
from anetdsl.ir import Network
from tests.interchange.cases import SMALL, SMALL_WEIGHTS, refused, through_json
from tests.networks import networks


def changed(path: tuple[Any, ...], value: Any) -> list[Any]:
    """Return SMALL with another value at this path."""
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
        ({}, "no structure found; expected a list of blocks, or an object with such lists"),
        ([], "structure: no stem [-1, -2 or -3, dilation], so no node reads the video"),
        (SMALL[:2], "structure: no block of level 3, so the classifier has no input"),
        ([[-1, 1]] * 129, "structure: 129 stems cannot share 128 channels"),
        (changed((0,), 7), "structure[0]: expected a stem [-1, -2 or -3, dilation] or a bl"),
        (changed((0,), []), "structure[0]: expected a stem [-1, -2 or -3, dilation] or a bl"),
        (changed((0,), [-1]), "structure[0]: expected a stem [-1, dilation], not 1 items"),
        (changed((0,), [-1, 1, 0]), "structure[0]: expected a stem [-1, dilation], not 3 items"),
        (changed((0, 0), -4), "structure[0][0]: expected -1 (RGB stem), -2 (flow stem), -3 (obj"),
        (changed((0, 0), -3.0), "structure[0][0]: expected -1 (RGB stem), -2 (flow stem), -3 (o"),
        (changed((0, 0), "rgb"), "structure[0][0]: expected -1 (RGB stem), -2 (flow stem), -3 (o"),
        (changed((0, 1), 0), "structure[0][1]: expected a whole number from 1 to 256, not 0"),
        (changed((0, 1), True), "structure[0][1]: expected a whole number from 1 to 256, not true"),
        (changed((0, 1), 1.0), "structure[0][1]: expected a whole number from 1 to 256, not 1.0"),
        (changed((2,), [0, [0], 8, 1]), "structure[2]: expected a block [level, [inputs], C, dil"),
        (changed((2, 1), 0), "structure[2][1]: expected a list of the indexes of the nodes that"),
        (changed((2, 1), []), "structure[2][1]: expected the index of at least one node, not an e"),
        (changed((2, 1, 1), 5), "structure[2][1][1]: expected a node's index from 0 to 4, not 5"),
        (changed((2, 1, 1), -1), "structure[2][1][1]: expected a node's index from 0 to 4, not -1"),
        (
            changed((2, 1, 1), 2),
            "structure[2][1][1]: node 2 reads node 2, which is not before it in",
        ),
        (
            changed((2, 1, 1), 4),
            "structure[2][1][1]: node 2 reads node 4, which is not before it in",
        ),
        (changed((2, 1, 1), False), "structure[2][1][1]: expected a node's index from 0 to 4, not"),
        (
            changed((3,), [0, [2], 8, 1, 2, 0]),
            "structure[3][1][0]: node 3 (level 0) reads node 2 (lev",
        ),
        (
            changed((2, 2), [27, 27, 12]),
            "structure: C of `n3` is `8`, but the network has blocks=lite",
        ),
        (
            changed((2, 2), [27, 27]),
            "structure[2][2]: expected three widths [f0, f1, f2], not 2",
        ),
        (
            changed((2, 2), [27, 27, "12"]),
            "structure[2][2][2]: expected a whole number from 1 to 8,192, not",
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
        (changed((2, 5), 1), "structure[2][5]: expected 0, a number without meaning, not 1"),
        (changed((2, 4), 3), "structure: the sizes of `n3` and `n2` do not match"),
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
        ([[[0.5]], [], [], [], []], "weights[0]: a stem has no weights; expected []"),
        ([[], [], [], [[0.5]], []], "weights[3]: a sole input has no weights; expected []"),
        ([[], [], [0.5, 0.5], [], []], "weights[2]: expected [[w, ...]], one list within a list"),
        ([[], [], [0.5], [], []], "weights[2][0]: expected a list of weights, not 0.5"),
        ([[], [], [[0.5]], [], []], "weights[2][0]: expected 2 weights, one per input, not 1"),
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
        (setting("version", 2), "anet.version: expected 1, the supported version, not 2"),
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
        (
            setting("inputs", []),
            "anet.inputs: the structure has a stem of kind rgb, but there is no such input",
        ),
        (
            setting("inputs", [{"name": "x", "channels": 3, "kind": "flow"}]),
            "anet.inputs[0]: neither RGB (3 channels, kind rgb), flow",
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
        (setting("nodes", [*"abcdd"]), "anet.nodes[4]: the name `d` is already used"),
        (setting("nodes", ["rgb", *"bcde"]), "anet.nodes[0]: the name `rgb` is already used"),
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
        (setting("origin", {"candidate": -1}), "anet.origin.candidate: expected a whole number"),
        (setting("origin", {"parent": "\ud800"}), "anet.origin.parent: the string has half of"),
    ],
)
def test_wrong_documents(spoil: Callable[[dict[str, Any]], object], message: str) -> None:
    """Mistakes in the field `anet` are errors with their place, too."""
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
        ("[NaN]", "not JSON: NaN is not a JSON number"),
        ("[-Infinity]", "not JSON: -Infinity is not a JSON number"),
        ("[" * 100_000, "not a network: the JSON is nested too deeply"),
        ('{"a":' * 100_000, "not a network: the JSON is nested too deeply"),
        ("[[-1, " + "9" * 5000 + "]]", "not a network: a number in the JSON has too many digits"),
        ('{"structure": [], "structure": []}', 'the JSON has the field "structure" twice'),
        ("[" + " " * (1 << 24) + "]", "the JSON text has more than 16,777,216 characters"),
        ("[[1e999, 1]]", "structure[0][0]: expected -1 (RGB stem)"),
        ("7", "structure: expected a list of nodes, not 7"),
        ('{"structure": 1, "x": 2}', "x: unknown field"),
    ],
    ids=lambda value: value[:12],
)
def test_wrong_texts(text: str, message: str) -> None:
    """Text that is not JSON, or too long, is an InterchangeError."""
    with pytest.raises(InterchangeError) as caught:
        import_document(parse_json(text))
    assert str(caught.value).startswith(message)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-4, 20)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["structure", "weights", "anet", "name", "inputs", "nodes", "s0", "rgb"])
    | st.sampled_from(["blocks", "lite", "attention", "peer", "peers", "object"]),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


def places(value: object, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to all values in a JSON value."""
    found = [here] if here else []
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            found.extend(places(item, (*here, key)))
    return found


@given(st.data(), networks(authors=True), st.sampled_from([to_json, export_document]))
def test_a_changed_document_raises_no_other_error(
    data: st.DataObject, network: Network, write: Callable[[Network], dict[str, Any]]
) -> None:
    """Any value at any place gives a network, or an InterchangeError with one line."""
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
def test_arbitrary_values_raise_no_other_error(value: object) -> None:
    """Both readers raise InterchangeError."""
    for read in (from_json, import_document):
        with pytest.raises(InterchangeError):
            read(value)
