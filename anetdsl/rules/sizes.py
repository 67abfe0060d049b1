"""Rules about sizes: strides of stems and nodes, and the channels of the sink's inputs."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from anetdsl.diagnostics import Diagnostic, Label
from anetdsl.ir import Network, place
from anetdsl.rules.blocks import blocks_meant


def check_stem_strides(network: Network, incomplete: frozenset[str]) -> Iterator[Diagnostic]:
    """Check A504: the stride of a stem is that of its layers (paper A.3); A409: it reads one input.

    The stride depends on the blocks: where these are unclear (A505), the `C` of the blocks decide.
    """
    meant = attrs.evolve(network, blocks=blocks_meant(network))
    for node in network.nodes:
        if not node.is_stem:
            continue
        stride = meant.stem_stride(node)
        is_clear = bool(node.inputs) or node.channels is not None  # else it may read objects
        if is_clear and node.stride != stride:
            if node.channels is None:
                text = "the stem of an object input is a 4x4 max pool"
            elif meant.blocks == "lite":
                text = "its 3x3 convolution halves the size"
            else:
                text = "its 7x7 convolution and its pooling halve the size"
            yield Diagnostic(
                "A504",
                f"a stem's stride is {stride}, not {node.stride}",
                place(node, "stride"),
                help=text,
            )
        if len(node.inputs) > 1:
            yield Diagnostic(
                "A409",
                f"stem `{node.name}` reads {len(node.inputs)} inputs, not one",
                place(node, "inputs"),
                help="use one stem for each input",
            )


def check_strides(network: Network, incomplete: frozenset[str]) -> Iterator[Diagnostic]:
    """Check A502: each input's total stride divides the largest one among the node's inputs."""
    totals = network.total_strides()
    excluded = set(incomplete)
    for node in network.topological_nodes():
        known = [(totals[edge.source], edge) for edge in node.inputs if edge.source in totals]
        if node.is_stem or not known:
            continue
        if any(edge.source in excluded for edge in node.inputs):
            excluded.add(node.name)
            continue
        largest, largest_edge = max(known, key=lambda pair: pair[0])
        for total, edge in known:
            if largest % total:
                excluded.add(node.name)
                yield Diagnostic(
                    "A502",
                    f"the sizes of `{edge.source}` and `{largest_edge.source}` do not match: their "
                    f"total strides are {total} and {largest}",
                    edge.span,
                    labels=(Label(largest_edge.span, f"total stride {largest}"),),
                    help="the largest total stride must be a multiple of all others",
                )


def check_sink_widths(network: Network) -> Iterator[Diagnostic]:
    """Check A503: with `combine=mean` the sink's inputs have equal numbers of channels.

    The sink of lite blocks combines nothing: A506 reports a second input.
    """
    sink = network.sink
    if sink.combine != "mean" or not sink.inputs or network.blocks == "lite":
        return
    channels = network.out_channels()
    first = sink.inputs[0].source
    for edge in sink.inputs[1:]:
        if channels[edge.source] != channels[first]:
            yield Diagnostic(
                "A503",
                f"the sink cannot average `{first}` and `{edge.source}`: they have "
                f"{channels[first]} and {channels[edge.source]} channels",
                edge.span,
                labels=(Label(sink.inputs[0].span, f"{channels[first]} channels"),),
                help="use `combine=concat`, or give the nodes the same C",
            )
