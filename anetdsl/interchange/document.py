"""Convert a network to JSON and back without loss, except for its places in a text.

`from_json(to_json(network)) == network` for every network without errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anetdsl.interchange.json_value import InterchangeError, JsonValue, shorten
from anetdsl.ir import Edge, Input, Network, Node, Origin, Score, Sink, default_kind
from anetdsl.rules import run_checks
from anetdsl.vocabulary import MAX_NODES, STATEMENTS, UNUSED_BY_OBJECT_STEMS

SCHEMA = "anetdsl-network"
SCHEMA_VERSION = 1
SETTINGS = ("blocks", "D", "modules", "edges", "attention")
"""Fields of the settings for all blocks."""


def to_json(network: Network) -> dict[str, Any]:
    """Return the network as plain values for JSON, named as in the language."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "name": network.name,
        **settings_to_json(network),
        "inputs": [input_to_json(value) for value in network.inputs],
        "nodes": [_node_to_json(node) for node in network.nodes],
        "sink": {
            "inputs": [_edge_to_json(edge) for edge in network.sink.inputs],
            "classes": network.sink.classes,
            "combine": network.sink.combine,
            "head": network.sink.head,
        },
        **notes_to_json(network),
    }


def from_json(document: object) -> Network:
    """Return the network of a document written by `to_json`.

    Raises InterchangeError, with the place, for unknown fields, values out of bounds, repeated
    names, edges from unknown nodes, and for every error that `check` finds.
    """
    fields = JsonValue(document).fields(
        required=("schema", "schema_version", "name", "inputs", "nodes", "sink"),
        optional=(*SETTINGS, "origin", "score"),
    )
    if fields["schema"].raw != SCHEMA:
        fields["schema"].fail_expected(f'"{SCHEMA}"')
    fields["schema_version"].integer(
        SCHEMA_VERSION, SCHEMA_VERSION, f"{SCHEMA_VERSION}, the supported version"
    )
    rows = fields["nodes"].items()
    if len(rows) > MAX_NODES:
        fields["nodes"].fail(f"more than {MAX_NODES:,} nodes")
    given: set[str] = set()
    inputs = tuple(_read_input(item, given) for item in fields["inputs"].items())
    taken = set(given)
    objects = {value.name for value in inputs if value.kind == "object"}
    nodes = tuple(_read_node(row, taken, objects) for row in rows)
    known = taken - given
    for row, node in zip(rows, nodes):
        if node.is_stem:
            _check_sources(row, node.inputs, "input", given)
        else:
            _check_sources(row, node.inputs, "node", known)
        _check_sources(row, node.peers, "node", known, "peers")
    sink = _read_sink(fields["sink"], known)
    network = Network(
        name=fields["name"].name(),
        inputs=inputs,
        nodes=nodes,
        sink=sink,
        **read_settings(fields),
        **read_notes(fields),
    )
    refuse_errors(network, "nodes")
    return network


def refuse_errors(network: Network, place: str) -> None:
    """Raise InterchangeError with the first error that the checks find, if any."""
    for diagnostic in run_checks(network):
        if diagnostic.is_error:
            raise InterchangeError(diagnostic.message, place)


def input_to_json(value: Input) -> dict[str, Any]:
    """Return an input as plain values."""
    return {"name": value.name, "channels": value.channels, "kind": value.kind}


def read_input(item: JsonValue) -> Input:
    """Return the input of the values of `input_to_json`. Raises InterchangeError."""
    fields = item.fields(required=("name", "channels"), optional=("kind",))
    channels = fields["channels"].attribute("input", "channels")
    kind: Any = default_kind(channels)
    if "kind" in fields:
        kind = fields["kind"].choice("input", "kind")
    return Input(fields["name"].name(), channels, kind)


def notes_to_json(network: Network) -> dict[str, Any]:
    """Return `origin` and `score` as plain values, if the network has them."""
    notes: dict[str, Any] = {}
    if (origin := network.origin) is not None:
        entries = {"parent": origin.parent, "candidate": origin.candidate, "seed": origin.seed}
        notes["origin"] = {key: value for key, value in entries.items() if value is not None}
        if origin.ops:
            notes["origin"]["ops"] = list(origin.ops)
    if network.score is not None:
        notes["score"] = dict(network.score.values)
    return notes


def read_notes(fields: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Return `origin` and `score` by the names of Network's fields."""
    notes: dict[str, Any] = {}
    if "origin" in fields:
        # Documents of earlier versions have `round` for `candidate`.
        entries = fields["origin"].fields(optional=("parent", "candidate", "round", "seed", "ops"))
        number = "candidate" if "candidate" in entries else "round"
        notes["origin"] = Origin(
            parent=entries["parent"].string() if "parent" in entries else None,
            candidate=_optional(entries, "origin", number),
            seed=_optional(entries, "origin", "seed"),
            ops=tuple(item.string() for item in entries["ops"].items()) if "ops" in entries else (),
        )
    if "score" in fields:
        measures = [attribute.name for attribute in STATEMENTS["score"].attributes]
        entries = fields["score"].fields(optional=measures)
        notes["score"] = Score(tuple((key, value.number()) for key, value in entries.items()))
    return notes


def settings_to_json(network: Network) -> dict[str, Any]:
    """Return the settings that hold for all blocks of a network as plain values.

    Kinds of blocks and attention that the paper does not have are left out of its networks.
    """
    settings: dict[str, Any] = {} if network.blocks == "full" else {"blocks": network.blocks}
    settings |= {
        "D": list(network.widths),
        "modules": list(network.modules),
        "edges": network.edges,
    }
    return settings | ({} if network.attention == "none" else {"attention": network.attention})


def read_settings(fields: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Return the settings in `fields` by the names of Network's fields."""
    settings: dict[str, Any] = {}
    for name in ("blocks", "edges", "attention"):
        if name in fields:
            settings[name] = fields[name].choice("network", name)
    if "D" in fields:
        settings["widths"] = fields["D"].four("D")
    if "modules" in fields:
        settings["modules"] = fields["modules"].four("modules")
    return settings


def _optional(fields: Mapping[str, JsonValue], statement: str, name: str) -> int | None:
    return fields[name].attribute(statement, name) if name in fields else None


def _node_to_json(node: Node) -> dict[str, Any]:
    values: dict[str, Any] = {"name": node.name, "level": node.level}
    if node.channels is not None:
        lite = isinstance(node.channels, tuple)
        values["C"] = list(node.filters) if lite else node.channels
    if node.dilation is not None:
        values["r"] = node.dilation
    values |= {"stride": node.stride, "inputs": [_edge_to_json(edge) for edge in node.inputs]}
    return values | ({"peers": list(map(peer_to_json, node.peers))} if node.peers else {})


def peer_to_json(peer: Edge) -> dict[str, Any]:
    """Return a peer and its share as plain values."""
    return {"source": peer.source, "share": peer.weight}


def read_peers(value: JsonValue) -> tuple[Edge, ...]:
    """Return the peers of values of `peer_to_json`. Raises InterchangeError."""
    items = value.items()
    if not items:
        value.fail_expected("at least one peer")
    peers: dict[str, Edge] = {}
    for item in items:
        fields = item.fields(required=("source", "share"))
        source = fields["source"].name()
        if source in peers:
            item.fail(f"the peer `{shorten(source)}` is listed twice")
        peers[source] = Edge(source, fields["share"].share())
    return tuple(peers.values())


def _edge_to_json(edge: Edge) -> dict[str, Any]:
    return {"source": edge.source, "weight": edge.weight}


def _read_input(item: JsonValue, taken: set[str]) -> Input:
    value = read_input(item)
    item.entries()["name"].new_name(taken)
    return value


def _read_node(row: JsonValue, taken: set[str], objects: set[str]) -> Node:
    fields = row.fields(
        required=("name", "level", "stride", "inputs"), optional=("C", "r", "peers")
    )
    level, stride = fields["level"].attribute("node", "level"), fields["stride"]
    name = fields["name"].new_name(taken)
    edges = _read_edges(fields["inputs"], "" if level else "an edge from an input to a stem")
    if not all(edge.source in objects for edge in edges):
        for key in UNUSED_BY_OBJECT_STEMS:
            if key not in fields:
                row.fail(f"the field `{key}` is missing")
    return Node(
        name,
        level,
        fields["C"].filters() if "C" in fields else None,
        fields["r"].attribute("node", "r") if "r" in fields else None,
        stride.attribute("node", "stride"),
        edges,
        read_peers(fields["peers"]) if "peers" in fields else (),
    )


def _read_edges(value: JsonValue, weightless: str = "") -> tuple[Edge, ...]:
    """Return a list of edges. `weightless` names the kind of edge if it cannot have a weight."""
    items = value.items()
    if not items:
        value.fail_expected("at least one input")
    edges = []
    for item in items:
        fields = item.fields(required=("source",), optional=("weight",))
        source, weight = fields["source"].name(), fields.get("weight", JsonValue(None))
        if weight.raw is None:
            edges.append(Edge(source))
        elif weightless:
            weight.fail(f"{weightless} has no weight")
        else:
            edges.append(Edge(source, weight.weight()))
    return tuple(edges)


def _check_sources(
    reader: JsonValue, edges: tuple[Edge, ...], kind: str, names: set[str], field: str = "inputs"
) -> None:
    for index, edge in enumerate(edges):
        if edge.source not in names:
            place = f"{reader.place}.{field}[{index}].source"
            raise InterchangeError(f"there is no {kind} `{shorten(edge.source)}`", place)


def _read_sink(value: JsonValue, nodes: set[str]) -> Sink:
    fields = value.fields(required=("inputs", "classes"), optional=("combine", "head"))
    edges = _read_edges(fields["inputs"], "an edge into the sink")
    _check_sources(value, edges, "node", nodes)
    choices: dict[str, Any] = {
        key: fields[key].choice("sink", key) for key in ("combine", "head") if key in fields
    }
    return Sink(edges, fields["classes"].attribute("sink", "classes"), **choices)
