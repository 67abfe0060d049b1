"""JSON documents that hold the authors' structure lists: alone, with weights, or several by name.

`export_document` writes `{"structure": [...], "weights": [...], "anet": {...}}`. The authors' code
reads the first two; `anet` keeps what they cannot say, so that `import_document` gives an equal
network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NoReturn, TypeVar, cast

import attrs

from anetdsl.diagnostics import did_you_mean
from anetdsl.interchange.authors import (
    DEFAULT_CLASSES,
    STEM_INPUTS,
    STEM_TYPES,
    Widths,
    list_order,
    read_structure,
    to_structure,
)
from anetdsl.interchange.document import (
    input_to_json,
    notes_to_json,
    read_input,
    read_notes,
    read_settings,
    settings_to_json,
)
from anetdsl.interchange.json_fields import InterchangeError, Value, as_name, parse_json, shorten
from anetdsl.ir import Edge, Network, Node, Sink
from anetdsl.vocabulary import STATEMENTS, TOP_LEVEL, Attribute

_Thing = TypeVar("_Thing")

DOCUMENT_VERSION = 1
SUFFIX = "_structure"
"""How the names of structures end in a document of several; a choice may leave it out."""
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
) -> Network:
    """The network of a parsed JSON document.

    The document is a bare structure, an object of `export_document` (`weights` and `anet` may be
    missing), or an object of several structures by name, of which `structure` chooses one, with the
    weights of the field `weights` if that is given. The other arguments stand in for what the
    document says, or does not say, of them. Raises InterchangeError.
    """
    whole = Value(document)
    if isinstance(document, dict) and "structure" not in document:
        chosen, lists, learned = _choose(whole, structure, weights)
        network = read_structure(lists, learned, _unsaid(chosen))
    elif structure is not None or weights is not None:
        raise InterchangeError("the document holds one structure: there is none to choose by name")
    elif isinstance(document, dict):
        network = _read_object(whole)
    else:
        network = read_structure(
            Value(document, "structure"), Value(None, "weights"), _unsaid("imported")
        )
    return _override(network, name, classes, widths, modules, edges)


def load_document(text: str, **choices: Any) -> Network:
    """The network of a JSON text; `choices` as for `import_document`. Raises InterchangeError."""
    return import_document(parse_json(text), **choices)


def export_document(network: Network) -> dict[str, Any]:
    """The authors' lists of a network, and all that they leave unsaid, as plain values for JSON.

    `import_document` gives an equal network. Raises NotExpressibleError as `to_structure` does.
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
    document["anet"] = {**rest, **notes_to_json(network)}
    return document


def _corrections(nodes: Sequence[Node]) -> list[list[Any]]:
    """`[node, input, weight]` by indexes where the lists do not say the weight as it is."""
    found: list[list[Any]] = []
    for index, node in enumerate(nodes):
        weights = [edge.weight for edge in node.inputs]
        if len(weights) == 1:
            differs = [place for place, weight in enumerate(weights) if weight is not None]
        elif all(weight is None for weight in weights):
            differs = []
        else:
            differs = [place for place, weight in enumerate(weights) if weight is None]
        found.extend([index, place, weights[place]] for place in differs)
    return found


def _unsaid(name: str) -> Network:
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
        given["name"] = Value(name, "name").name()
    if widths is not None:
        given["widths"] = Value(widths, "D").four(_attribute("network", "D"))
    if modules is not None:
        given["modules"] = Value(modules, "modules").four(_attribute("network", "modules"))
    if edges is not None:
        given["edges"] = edges
    if classes is not None:
        count = Value(classes, "classes").attribute(_attribute("sink", "classes"))
        given["sink"] = attrs.evolve(network.sink, classes=count)
    return attrs.evolve(network, **given)


def _attribute(statement: str, name: str) -> Attribute:
    return cast(Attribute, STATEMENTS[statement].attribute(name))


def _choose(whole: Value, structure: str | None, weights: str | None) -> tuple[str, Value, Value]:
    """The chosen structure of several, the name of its network, and its weights."""
    entries = whole.entries()
    structures = {key: value for key, value in entries.items() if "weights" not in key}
    if not structures:
        whole.fail("holds no structure: a list of blocks, or lists by name, is expected")
    if structure is None and len(structures) == 1:
        structure = next(iter(structures))
    if structure is None:
        whole.fail(f"choose one of the structures by its name: {_listed(structures)}")
    key = structure if structure in structures else structure + SUFFIX
    if key not in structures:
        _unknown(whole, "structure", structure, structures)
    learned = Value(None, "weights")
    if weights is not None:
        if weights not in entries:
            partners = [entry for entry in entries if entry not in structures]
            _unknown(whole, "list of weights", weights, partners)
        learned = entries[weights]
    return as_name(key.removesuffix(SUFFIX)), structures[key], learned


def _unknown(whole: Value, what: str, word: str, valid: Iterable[str]) -> NoReturn:
    meant = did_you_mean(word, valid)
    hint = f" (did you mean `{meant}`?)" if meant else ""
    whole.fail(f"there is no {what} `{shorten(word)}`{hint}; there are: {_listed(valid)}")


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    shown = [shorten(name) for name in names[:MAX_LISTED]]
    more = [f"and {len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED else []
    return ", ".join([*shown, *more]) or "none"


def _read_object(whole: Value) -> Network:
    fields = whole.fields(required=("structure",), optional=("weights", "anet"))
    weights = fields.get("weights", Value(None, "weights"))
    if "anet" not in fields:
        return read_structure(fields["structure"], weights, _unsaid("imported"))
    unsaid = fields["anet"].fields(
        required=("version", "name", "classes", "inputs", "nodes"),
        optional=("head", "D", "modules", "edges", "order", "sink", "weights", "origin", "score"),
    )
    unsaid["version"].integer(
        DOCUMENT_VERSION, DOCUMENT_VERSION, f"{DOCUMENT_VERSION}, the version known here"
    )
    classes = unsaid["classes"].attribute(_attribute("sink", "classes"))
    sink = Sink((), classes)
    if "head" in unsaid:
        head: Any = unsaid["head"].choice(_attribute("sink", "head").choices)
        sink = attrs.evolve(sink, head=head)
    rest = Network(
        name=unsaid["name"].name(),
        inputs=(),
        nodes=(),
        sink=sink,
        **read_settings(unsaid),
        **read_notes(unsaid),
    )
    network = _rename(read_structure(fields["structure"], weights, rest), unsaid)
    if "weights" in unsaid:
        network = _correct(network, unsaid["weights"])
    if "order" in unsaid:
        nodes = {node.name: node for node in network.nodes}
        network = attrs.evolve(network, nodes=_permuted(unsaid["order"], nodes))
    if "sink" in unsaid:
        edges = {edge.source: edge for edge in network.sink.inputs}
        sink = attrs.evolve(network.sink, inputs=_permuted(unsaid["sink"], edges))
        network = attrs.evolve(network, sink=sink)
    return network


def _rename(network: Network, unsaid: dict[str, Value]) -> Network:
    """The network with its own names, and its own inputs, for those of the lists."""
    items = unsaid["inputs"].items()
    inputs = tuple(read_input(item) for item in items)
    names: dict[str, str] = {}
    for item, value in zip(items, inputs):
        stem = STEM_TYPES.get((value.channels, value.kind))
        if stem is None:
            item.fail("neither RGB (3 channels, kind rgb) nor flow (2 channels, kind flow)")
        if STEM_INPUTS[stem].name in names:
            item.fail(f"a second {value.kind} input")
        names[STEM_INPUTS[stem].name] = value.name
    for value in network.inputs:
        if value.name not in names:
            unsaid["inputs"].fail(f"the structure has a {value.kind} stem and no input of it")
    rows = unsaid["nodes"].items()
    if len(rows) != len(network.nodes):
        unsaid["nodes"].fail(f"expected the names of {len(network.nodes)} nodes, not {len(rows)}")
    taken = set(names.values())
    if len(taken) < len(inputs):
        unsaid["inputs"].fail("two inputs have the same name")
    # The names of the lists are no names of inputs, so that one table holds both.
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


def _correct(network: Network, corrections: Value) -> Network:
    nodes = list(network.nodes)
    for row in corrections.items():
        items = row.items("a correction [node, input, weight]")
        if len(items) != 3:
            row.expected("a correction [node, input, weight]")
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


def _permuted(value: Value, things: dict[str, _Thing]) -> tuple[_Thing, ...]:
    """Things in an order of their names that names each once."""
    names = [item.name() for item in value.items()]
    if sorted(names) != sorted(things):
        value.fail(f"expected each of {_listed(things)} once")
    return tuple(things[name] for name in names)
