"""Read and write JSON documents with the authors' structure lists.

A document is a structure, or an object with one structure, or an object with several by name.
`export_document` writes `{"structure": [...], "weights": [...], "anet": {...}}`. The authors' code
reads the first two fields. The field `anet` holds the rest of the network, so that
`import_document` returns an equal network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NoReturn, TypeVar

import attrs

from anetdsl.diagnostics import did_you_mean
from anetdsl.interchange.authors import (
    DEFAULT_CLASSES,
    OBJECT_DILATION,
    STEM_INPUTS,
    Widths,
    list_order,
    read_structure,
    stem_type,
    to_structure,
)
from anetdsl.interchange.document import (
    SETTINGS,
    input_to_json,
    notes_to_json,
    peer_to_json,
    read_input,
    read_notes,
    read_peers,
    read_settings,
    refuse_errors,
    settings_to_json,
)
from anetdsl.interchange.json_value import InterchangeError, JsonValue, as_name, shorten
from anetdsl.ir import Attention, Edge, Network, Node, Sink
from anetdsl.vocabulary import TOP_LEVEL

_Part = TypeVar("_Part")

DOCUMENT_VERSION = 1
SUFFIX = "_structure"
"""Suffix of the names of structures in a document with several. Callers may leave it out."""
MAX_LISTED = 20


def import_document(
    document: object,
    *,
    structure: str | None = None,
    weights: str | None = None,
    name: str | None = None,
    classes: int | None = None,
    widths: Widths | None = None,
    modules: Widths | None = None,
    edges: Literal["learned", "fixed"] | None = None,
    attention: Attention | None = None,
    object_classes: int | None = None,
) -> Network:
    """Return the network of a parsed JSON document.

    The document is a structure, an object of `export_document` (`weights` and `anet` may be
    missing), or an object with several structures by name. From several, `structure` selects one,
    and `weights` names the field with its weights. The other arguments replace values of the
    document. Raises InterchangeError.
    """
    whole = JsonValue(document)
    if isinstance(document, dict) and "structure" not in document:
        chosen, lists, learned = _choose(whole, structure, weights)
        network = read_structure(lists, learned, _empty_network(chosen))
    elif structure is not None or weights is not None:
        raise InterchangeError("the document has one structure: none can be selected by name")
    elif isinstance(document, dict):
        network = _read_object(whole)
    else:
        network = read_structure(
            JsonValue(document, "structure"), JsonValue(None, "weights"), _empty_network("imported")
        )
    network = _override(network, name, classes, widths, modules, edges)
    if attention is not None:
        network = attrs.evolve(network, attention=attention)
    if object_classes is None:
        return network
    count = JsonValue(object_classes, "object_classes").attribute("input", "channels")
    inputs = (
        attrs.evolve(value, channels=count) if value.kind == "object" else value
        for value in network.inputs
    )
    return attrs.evolve(network, inputs=tuple(inputs))


def export_document(network: Network) -> dict[str, Any]:
    """Return a network as plain values for JSON: the authors' lists, and the rest in `anet`.

    `import_document` returns an equal network. Raises NotExpressibleError as `to_structure` does.
    """
    structure, weights = to_structure(network)
    document: dict[str, Any] = {"structure": structure}
    if weights is not None:
        document["weights"] = weights
    nodes = list_order(network)
    rest: dict[str, Any] = {
        "version": DOCUMENT_VERSION,
        "name": network.name,
        **settings_to_json(network),
        "classes": network.sink.classes,
        "head": network.sink.head,
        "inputs": [input_to_json(value) for value in network.inputs],
        "nodes": [node.name for node in nodes],
    }
    if nodes != network.nodes:
        rest["order"] = [node.name for node in network.nodes]
    reads = [edge.source for edge in network.sink.inputs]
    if reads != [node.name for node in nodes if node.level == TOP_LEVEL]:
        rest["sink"] = reads
    if corrections := list(_corrections(nodes)):
        rest["weights"] = corrections
    rates = [
        [index, node.dilation]
        for index, node in enumerate(nodes)
        if node.channels is None and node.dilation == OBJECT_DILATION
    ]
    if rates:
        rest["r"] = rates
    peers = [[node.name, list(map(peer_to_json, node.peers))] for node in nodes if node.peers]
    if peers:
        rest["peers"] = peers
    document["anet"] = {**rest, **notes_to_json(network)}
    return document


def _corrections(nodes: Sequence[Node]) -> list[list[Any]]:
    """Return [node index, input index, weight] for each weight that differs in the lists."""
    found: list[list[Any]] = []
    for index, node in enumerate(nodes):
        weights = [edge.weight for edge in node.inputs]
        if len(weights) == 1:  # a sole input is always untrained in the lists
            differs = [i for i, weight in enumerate(weights) if weight is not None]
        elif all(weight is None for weight in weights):
            differs = []
        else:  # an untrained edge beside trained ones is 0.5 in the lists
            differs = [i for i, weight in enumerate(weights) if weight is None]
        found.extend([index, i, weights[i]] for i in differs)
    return found


def _empty_network(name: str) -> Network:
    return Network(name, (), (), Sink((), DEFAULT_CLASSES))


def _override(
    network: Network,
    name: str | None,
    classes: int | None,
    widths: Widths | None,
    modules: Widths | None,
    edges: Literal["learned", "fixed"] | None,
) -> Network:
    given: dict[str, Any] = {}
    if name is not None:
        given["name"] = JsonValue(name, "name").name()
    if widths is not None:
        given["widths"] = JsonValue(widths, "D").four("D")
    if modules is not None:
        given["modules"] = JsonValue(modules, "modules").four("modules")
    if edges is not None:
        given["edges"] = edges
    if classes is not None:
        count = JsonValue(classes, "classes").attribute("sink", "classes")
        given["sink"] = attrs.evolve(network.sink, classes=count)
    return attrs.evolve(network, **given)


def _choose(
    whole: JsonValue, structure: str | None, weights: str | None
) -> tuple[str, JsonValue, JsonValue]:
    """Return the name of the network, the selected structure, and its weights."""
    entries = whole.entries()
    structures = {key: value for key, value in entries.items() if "weights" not in key}
    if not structures:
        whole.fail("no structure found; expected a list of blocks, or an object with such lists")
    if structure is None and len(structures) == 1:
        structure = next(iter(structures))
    if structure is None:
        whole.fail(f"select one of the structures by its name: {_listed(structures)}")
    key = structure if structure in structures else structure + SUFFIX
    if key not in structures:
        _unknown(whole, "structure", structure, structures)
    learned = JsonValue(None, "weights")
    if weights is not None:
        if weights not in entries:
            partners = [entry for entry in entries if entry not in structures]
            _unknown(whole, "list of weights", weights, partners)
        learned = entries[weights]
    return as_name(key.removesuffix(SUFFIX)), structures[key], learned


def _unknown(whole: JsonValue, what: str, word: str, valid: Iterable[str]) -> NoReturn:
    meant = did_you_mean(word, valid)
    hint = f" (did you mean `{meant}`?)" if meant else ""
    whole.fail(f"there is no {what} `{shorten(word)}`{hint}; there are: {_listed(valid)}")


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    shown = [shorten(name) for name in names[:MAX_LISTED]]
    more = [f"and {len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED else []
    return ", ".join([*shown, *more]) or "none"


def _read_object(whole: JsonValue) -> Network:
    fields = whole.fields(required=("structure",), optional=("weights", "anet"))
    weights = fields.get("weights", JsonValue(None, "weights"))
    if "anet" not in fields:
        return read_structure(fields["structure"], weights, _empty_network("imported"))
    anet = fields["anet"].fields(
        required=("version", "name", "classes", "inputs", "nodes"),
        optional=(
            *("head", *SETTINGS, "order", "sink", "weights", "r", "peers", "origin", "score"),
        ),
    )
    anet["version"].integer(
        DOCUMENT_VERSION, DOCUMENT_VERSION, f"{DOCUMENT_VERSION}, the supported version"
    )
    classes = anet["classes"].attribute("sink", "classes")
    sink = Sink((), classes)
    if "head" in anet:
        head: Any = anet["head"].choice("sink", "head")
        sink = attrs.evolve(sink, head=head)
    settings = read_settings(anet)
    modules = settings.pop("modules", None)
    rest = Network(
        name=anet["name"].name(), inputs=(), nodes=(), sink=sink, **settings, **read_notes(anet)
    )
    network = _rename(read_structure(fields["structure"], weights, rest, modules), anet)
    if "weights" in anet:
        network = _correct(network, anet["weights"])
    if "r" in anet:
        network = _with_rates(network, anet["r"])
    if "peers" in anet:
        network = _with_peers(network, anet["peers"])
    if "order" in anet:
        nodes = {node.name: node for node in network.nodes}
        network = attrs.evolve(network, nodes=_permuted(anet["order"], nodes))
    if "sink" in anet:
        edges = {edge.source: edge for edge in network.sink.inputs}
        sink = attrs.evolve(network.sink, inputs=_permuted(anet["sink"], edges))
        network = attrs.evolve(network, sink=sink)
    return network


def _rename(network: Network, anet: dict[str, JsonValue]) -> Network:
    """Return the network with the names and inputs of `anet` instead of those of the lists."""
    items = anet["inputs"].items()
    inputs = tuple(read_input(item) for item in items)
    names: dict[str, str] = {}
    for item, value in zip(items, inputs):
        stem = stem_type(value)
        if stem is None:
            item.fail(
                "neither RGB (3 channels, kind rgb), flow (2 channels, kind flow) nor objects "
                "(kind object)"
            )
        if STEM_INPUTS[stem].name in names:
            item.fail(f"a second {value.kind} input")
        names[STEM_INPUTS[stem].name] = value.name
    for value in network.inputs:
        if value.name not in names:
            anet["inputs"].fail(
                f"the structure has a stem of kind {value.kind}, but there is no such input"
            )
    rows = anet["nodes"].items()
    if len(rows) != len(network.nodes):
        anet["nodes"].fail(f"expected the names of {len(network.nodes)} nodes, not {len(rows)}")
    taken = set(names.values())
    if len(taken) < len(inputs):
        anet["inputs"].fail("two inputs have the same name")
    # `names` can hold inputs and nodes, because the names that the lists give them differ.
    for row, node in zip(rows, network.nodes):
        names[node.name] = row.new_name(taken)

    def renamed(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
        return tuple(attrs.evolve(edge, source=names[edge.source]) for edge in edges)

    return attrs.evolve(
        network,
        inputs=inputs,
        nodes=tuple(
            attrs.evolve(node, name=names[node.name], inputs=renamed(node.inputs))
            for node in network.nodes
        ),
        sink=attrs.evolve(network.sink, inputs=renamed(network.sink.inputs)),
    )


def _correct(network: Network, corrections: JsonValue) -> Network:
    nodes = list(network.nodes)
    for row in corrections.items():
        items = row.items("a correction [node, input, weight]")
        if len(items) != 3:
            row.fail_expected("a correction [node, input, weight]")
        index = items[0].integer(0, len(nodes) - 1)
        node = nodes[index]
        if node.is_stem:
            items[0].fail(f"node {index} is a stem, which has no weights")
        edges = list(node.inputs)
        place = items[1].integer(0, len(edges) - 1)
        weight = None if items[2].raw is None else items[2].weight()
        edges[place] = attrs.evolve(edges[place], weight=weight)
        nodes[index] = attrs.evolve(node, inputs=tuple(edges))
    return attrs.evolve(network, nodes=tuple(nodes))


def _with_rates(network: Network, rates: JsonValue) -> Network:
    """Return the network with the r of object stems that a structure does not tell from none."""
    nodes = list(network.nodes)
    for row in rates.items():
        items = row.items("a pair [node, r]")
        if len(items) != 2:
            row.fail_expected("a pair [node, r]")
        index = items[0].integer(0, len(nodes) - 1)
        if nodes[index].channels is not None:
            items[0].fail(f"node {index} is not the stem of an object input")
        nodes[index] = attrs.evolve(nodes[index], dilation=items[1].attribute("node", "r"))
    return attrs.evolve(network, nodes=tuple(nodes))


def _with_peers(network: Network, peers: JsonValue) -> Network:
    """Return the network with the peers of nodes, which are pairs [name, peers]."""
    nodes = {node.name: node for node in network.nodes}
    for row in peers.items():
        items = row.items("a pair [node, peers]")
        if len(items) != 2:
            row.fail_expected("a pair [node, peers]")
        name = items[0].name()
        if name not in nodes:
            items[0].fail(f"there is no node `{shorten(name)}`")
        found = read_peers(items[1])
        for peer, item in zip(found, items[1].items()):
            if peer.source not in nodes:
                item.fail(f"there is no node `{shorten(peer.source)}`")
        nodes[name] = attrs.evolve(nodes[name], peers=found)
    network = attrs.evolve(network, nodes=tuple(nodes.values()))
    refuse_errors(network, peers.place)
    return network


def _permuted(value: JsonValue, parts: dict[str, _Part]) -> tuple[_Part, ...]:
    """Return the parts in the order of their names in `value`, which must name each part once."""
    names = [item.name() for item in value.items()]
    if sorted(names) != sorted(parts):
        value.fail(f"expected each of {_listed(parts)} once")
    return tuple(parts[name] for name in names)
