"""Convert networks to JSON and back."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetdsl.interchange.authors import from_structure
from anetdsl.interchange.document import from_json, to_json
from anetdsl.interchange.json_value import InterchangeError, as_name, is_name, parse_json
from anetdsl.ir import Network, Origin
from tests.interchange.cases import SMALL, SMALL_WEIGHTS, through_json
from tests.networks import networks


@given(networks())
def test_from_json_of_to_json_is_the_same_network(network: Network) -> None:
    """The document has the schema's name and version."""
    document = through_json(to_json(network))
    assert (document["schema"], document["schema_version"]) == ("anetdsl-network", 1)
    assert from_json(document) == network


def test_json_of_an_earlier_version_is_read() -> None:
    """It has the number of a candidate as `round`."""
    network = attrs.evolve(from_structure(SMALL, name="a"), origin=Origin("g1", candidate=7))
    document = to_json(network)
    document["origin"]["round"] = document["origin"].pop("candidate")
    assert from_json(document) == network


def test_json_has_the_names_of_the_language() -> None:
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
    assert from_json(parse_json(json.dumps(document))) == network


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), "x", 'schema: expected "anetdsl-network", not "x"'),
        (("schema_version",), 2, "schema_version: expected 1, the supported version, not 2"),
        (("nodes", 2, "C"), 0, "nodes[2].C: expected a whole number from 1 to 8,192, not 0"),
        (("nodes", 2, "level"), 5, "nodes[2].level: expected a whole number from 0 to 4, not 5"),
        (("nodes", 2, "c"), 5, "nodes[2].c: unknown field; did you mean `C`?"),
        (("nodes", 2, "name"), "rgb", "nodes[2].name: the name `rgb` is already used"),
        (("nodes", 2, "name"), "n\u00e9", "nodes[2].name: expected a name"),
        (("nodes", 2, "inputs"), [], "nodes[2].inputs: expected at least one input, not an empty"),
        (
            ("nodes", 2, "inputs", 0, "source"),
            "rgb",
            "nodes[2].inputs[0].source: there is no node",
        ),
        (
            ("nodes", 0, "inputs", 0, "source"),
            "n2",
            "nodes[0].inputs[0].source: there is no input",
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
        (("sink", "inputs", 0, "source"), "rgb", "sink.inputs[0].source: there is no node `rgb`"),
        (("sink", "combine"), "max", 'sink.combine: expected `mean` or `concat`, not "max"'),
        (("edges",), "free", 'edges: expected `learned` or `fixed`, not "free"'),
        (("inputs", 0, "channels"), "3", "inputs[0].channels: expected a whole number from 1 to 1"),
        (("we ird",), 1, '["we ird"]: unknown field'),
    ],
)
def test_wrong_json(path: tuple[Any, ...], value: object, message: str) -> None:
    """Each mistake is one error with its place. The errors of `check` are included."""
    document = to_json(from_structure(SMALL, SMALL_WEIGHTS, name="a"))
    holder: Any = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(InterchangeError) as caught:
        from_json(document)
    assert str(caught.value).startswith(message)


@given(st.text(max_size=12))
def test_as_name_makes_a_name_of_any_text(text: str) -> None:
    """A valid name stays unchanged."""
    assert is_name(as_name(text))
    if is_name(text):
        assert as_name(text) == text
