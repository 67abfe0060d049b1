"""Rules about sizes: strides of stems and nodes, and the channels of the sink's inputs."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.diagnostics import Diagnostic, Label
from anetdsl.ir import Network, place
from anetdsl.vocabulary import STEM_STRIDE


def check_stem_strides(network: Network, incomplete: frozenset[str]) -> Iterator[Diagnostic]:
    """Check A504: a stem halves the size twice (paper A.3); and A409: it reads one input."""
    for node in network.nodes:
        if node.is_stem and node.stride != STEM_STRIDE:
            yield Diagnostic(
                "A504",
                f"a stem's stride is {STEM_STRIDE}, not {node.stride}",
                place(node, "stride"),
                help="its 7x7 convolution and its pooling halve the size",
            )
        if node.is_stem and len(node.inputs) > 1:
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
    """Check A503: with `combine=mean` the sink's inputs have equal numbers of channels."""
    sink = network.sink
    if sink.combine != "mean" or not sink.inputs:
        return
    nodes = {node.name: node for node in network.nodes}
    first = nodes[sink.inputs[0].source]
    for edge in sink.inputs[1:]:
        node = nodes[edge.source]
        if node.out_channels != first.out_channels:
            yield Diagnostic(
                "A503",
                f"the sink cannot average `{first.name}` and `{node.name}`: they have "
                f"{first.out_channels} and {node.out_channels} channels",
                edge.span,
                labels=(Label(sink.inputs[0].span, f"{first.out_channels} channels"),),
                help="use `combine=concat`, or give the nodes the same C",
            )
