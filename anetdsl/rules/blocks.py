"""Rules about kinds of blocks and stems, and about attributes that they do not use."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.diagnostics import Diagnostic, Label, Severity
from anetdsl.ir import Blocks, Network, Node, place
from anetdsl.vocabulary import DEFAULT_WIDTHS

_LISTS = "C of a lite block is a list of three widths, such as `C=[54, 54, 24]`"
_NUMBERS = "C of a full block is one number, such as `C=64`"


def blocks_meant(network: Network) -> Blocks:
    """Return the kind of blocks by the `C` of all blocks, or the network's if they disagree."""
    kinds = {isinstance(node.channels, tuple) for node in network.nodes if not node.is_stem}
    if len(kinds) != 1:
        return network.blocks
    return "lite" if kinds.pop() else "full"


def check_filters(network: Network, incomplete: frozenset[str]) -> Iterator[Diagnostic]:
    """Check A505: C is a list of three widths in lite blocks, and a number elsewhere.

    If no block of the network fits, the network's `blocks` is probably wrong. Then only the first
    block is reported.
    """
    is_lite = network.blocks == "lite"
    blocks = [node for node in network.nodes if not node.is_stem]
    wrong = [node for node in blocks if isinstance(node.channels, tuple) != is_lite]
    stems = [n for n in network.nodes if n.is_stem and isinstance(n.channels, tuple)]
    if len(wrong) == len(blocks):
        wrong = wrong[:1]
    for node in (*wrong, *stems):
        yield Diagnostic("A505", _wrong_filters(node), place(node, "C"), help=_help(network, node))


def _wrong_filters(node: Node) -> str:
    if node.is_stem:
        return f"C of stem `{node.name}` is one number, not a list"
    given = "a list" if isinstance(node.channels, tuple) else f"`{node.channels}`"
    kind = "full" if isinstance(node.channels, tuple) else "lite"
    return f"C of `{node.name}` is {given}, but the network has blocks={kind}"


def _help(network: Network, node: Node) -> str:
    if node.is_stem:
        return "only lite blocks of levels 1 to 4 have lists"
    if network.blocks == "lite":
        return _LISTS
    return f"{_NUMBERS}; a network of lite blocks has `blocks=lite`"


def check_stem_attributes(network: Network, incomplete: frozenset[str]) -> Iterator[Diagnostic]:
    """Check A410: the stem of an object input has no C, and no stem has peers."""
    objects = {value.name: value for value in network.inputs if value.kind == "object"}
    for node in network.nodes:
        if not node.is_stem:
            continue
        source = next((objects[e.source] for e in node.inputs if e.source in objects), None)
        if source is not None and node.channels is not None:
            yield Diagnostic(
                "A410",
                f"stem `{node.name}` of the object input `{source.name}` has no C",
                place(node, "C"),
                labels=(Label(place(source, "name"), "an object input"),),
                help=f"it is a max pool, so its output has {source.channels} channels, too",
            )
        if node.peers:
            yield Diagnostic(
                "A410",
                f"stem `{node.name}` has no peers",
                place(node, "peers"),
                help="a stem reads one input, without attention",
            )


def check_lite_sink(network: Network) -> Iterator[Diagnostic]:
    """Check A506: the sink of a network of lite blocks reads one node."""
    inputs = network.sink.inputs
    if network.blocks == "lite" and len(inputs) > 1:
        yield Diagnostic(
            "A506",
            f"the sink of a network with blocks=lite reads one node, not {len(inputs)}",
            inputs[1].span,
            labels=(Label(inputs[0].span, "the first one"),),
            help="its convolutions classify one node of the highest level",
        )


def check_unused_attributes(network: Network) -> Iterator[Diagnostic]:
    """Check A609: no attribute is without effect."""
    if network.blocks == "lite" and network.widths != DEFAULT_WIDTHS:
        yield Diagnostic(
            "A609",
            "`D` has no effect with blocks=lite",
            place(network, "D"),
            Severity.WARNING,
            help="the three widths of a lite block are its C",
        )
    for node in network.nodes:
        if node.peers and network.attention != "peer":
            yield Diagnostic(
                "A609",
                f"the peers of `{node.name}` have no effect without peer attention",
                place(node, "peers"),
                Severity.WARNING,
                help="`attention=peer` on the network turns it on",
            )
