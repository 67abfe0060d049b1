"""Compute the cost of a network: parameters, multiply-adds, memory, receptive fields, depth.

The cost comes from closed formulas, so a search can compute thousands of costs per second. The
results equal PyTorch's own counts for the compiled module: `sum(p.numel())` of its trainable
parameters, and half of what `torch.utils.flop_counter` counts. That counter counts convolutions and
linear layers, with the whole kernel for each output element, padding included.

The network must have passed its checks. The cost of an unchecked network is undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from anetdsl.cost_formulas import (
    LayerCost,
    Output,
    attention_cost,
    block_cost,
    lite_sink_cost,
    stem_cost,
)
from anetdsl.vocabulary import LITE_SINK_WIDTHS

if TYPE_CHECKING:
    from anetdsl.ir import Network

SCHEMA = "anetdsl-cost"
SCHEMA_VERSION = 1

BYTES = 4
"""Bytes per value in float32."""


@attrs.frozen
class NodeCost:
    """Cost of one node, or of the sink, for one clip.

    The receptive fields are theoretical: the span of the input that one element of the output
    depends on over all paths, pooling included, for sizes that are divisible by every stride.
    Attention is left out: with it, an element depends on whole frames.
    """

    name: str
    shape: tuple[int, int, int, int]
    """Shape (C, T, H, W) of the output; (classes, 1, 1, 1) for the sink's logits."""
    parameters: int
    multiply_adds: int
    activation_bytes: int
    """Memory of all outputs of convolutions and linear layers in float32, projections and adapters
    included: the activations of Radosavovic et al. 2020, in bytes."""
    temporal_field: int
    """Receptive field in frames; for the sink, that of the features that it averages."""
    spatial_field: int
    """Receptive field in pixels, equal in height and width; for the sink as above."""
    depth: int
    """Number of convolutions on the longest path from an input, as in the paper (A.3): 1 or 2 in a
    stem, none in that of an object input, 3 in a residual module, 4 in a lite one with a stride, 2
    in a lite sink."""
    blocks: int
    """Number of nodes on the longest path from an input (`Network.path_lengths`)."""


@attrs.frozen
class Cost:
    """Cost of a network for one clip of `frames` x `height` x `width`."""

    network: str
    frames: int
    height: int
    width: int
    classes: int
    nodes: tuple[NodeCost, ...]
    """Costs of the nodes in the order of the text."""
    sink: NodeCost
    parameters: int
    multiply_adds: int
    activation_bytes: int
    weight_bytes: int
    """Memory of the trainable parameters in float32."""

    @property
    def temporal_field(self) -> int:
        """Receptive field of one feature before the classifier, in frames."""
        return self.sink.temporal_field

    @property
    def spatial_field(self) -> int:
        """Receptive field of one feature before the classifier, in pixels per side."""
        return self.sink.spatial_field

    @property
    def depth(self) -> int:
        """Number of convolutions on the longest path; 50 for Table 4 of the paper."""
        return self.sink.depth

    @property
    def blocks(self) -> int:
        """Number of nodes on the longest path from an input to the sink, the stem included."""
        return self.sink.blocks

    def to_json(self) -> dict[str, Any]:
        """Return the cost as plain values for JSON, with the schema and its version."""
        values = attrs.asdict(self, recurse=False)
        totals = ("temporal_field", "spatial_field", "depth", "blocks")
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            **values,
            **{name: getattr(self, name) for name in totals},
            "nodes": [_node_to_json(node) for node in self.nodes],
            "sink": _node_to_json(self.sink),
        }


def cost(
    network: Network,
    *,
    frames: int = 32,
    size: int | tuple[int, int] = 224,
    classes: int | None = None,
) -> Cost:
    """Return the cost of a checked network for one clip.

    The clip has `frames` frames of `size` pixels, given as (H, W) or as one number for both.
    `classes` replaces the sink's number of classes. Raises ValueError for a number below 1.
    """
    height, width = (size, size) if isinstance(size, int) else size
    classes = network.sink.classes if classes is None else classes
    if min(frames, height, width, classes) < 1:
        raise ValueError("frames, size and classes must be at least 1")
    outputs: dict[str, Output] = {}
    fused, peers = network.fused_channels(), network.peers_by_level()
    for node in network.topological_nodes():
        if node.is_stem:
            given = network.input(node.inputs[0].source)
            outputs[node.name] = stem_cost(node, given, network.blocks, frames, height, width)
            continue
        sources = [outputs[edge.source] for edge in node.inputs]
        attention = attention_cost(
            network.attention,
            [source.channels for source in sources],
            [outputs[peer.name].channels for peer in peers[node.level]],
            frames,
        )
        has_weights = network.edges == "learned" and node.has_edge_weights
        outputs[node.name] = block_cost(
            node,
            sources,
            fused[node.name],
            network.widths[node.level - 1],
            network.modules[node.level - 1],
            len(sources) if has_weights else 0,
            attention,
        )
    blocks = network.path_lengths()
    rows = tuple(_node_cost(outputs[node.name], blocks[node.name]) for node in network.nodes)
    read = [outputs[edge.source] for edge in network.sink.inputs]
    sink = _sink(network, read, classes)
    parameters = sink.parameters + sum(row.parameters for row in rows)
    return Cost(
        network=network.name,
        frames=frames,
        height=height,
        width=width,
        classes=classes,
        nodes=rows,
        sink=sink,
        parameters=parameters,
        multiply_adds=sink.multiply_adds + sum(row.multiply_adds for row in rows),
        activation_bytes=sink.activation_bytes + sum(row.activation_bytes for row in rows),
        weight_bytes=BYTES * parameters,
    )


def _node_to_json(node: NodeCost) -> dict[str, Any]:
    return {**attrs.asdict(node), "shape": list(node.shape)}


def _node_cost(output: Output, blocks: int) -> NodeCost:
    """Return the cost of a node, given the number of nodes on the longest path to it."""
    return NodeCost(
        output.name,
        (output.channels, output.frames, output.height, output.width),
        output.parameters,
        output.multiply_adds,
        BYTES * output.activations,
        1 + 2 * output.reach,
        1 + output.before + output.after,
        output.depth,
        blocks,
    )


def _sink(network: Network, sources: Sequence[Output], classes: int) -> NodeCost:
    """Count the classifier: a linear layer, used once per clip, or per frame with head=maxpool.

    With `blocks=lite`, two convolutions precede it.
    """
    sink = network.sink
    channels = [source.channels for source in sources]
    features = sum(channels) if sink.combine == "concat" else channels[0]
    layers, convolutions = LayerCost(), 0
    if network.blocks == "lite":
        layers, convolutions = lite_sink_cost(sources[0]), len(LITE_SINK_WIDTHS)
        features = LITE_SINK_WIDTHS[-1]
    times = sources[0].frames if sink.head == "maxpool" else 1
    before = max(source.before for source in sources)
    after = max(source.after for source in sources)
    return NodeCost(
        name="sink",
        shape=(classes, 1, 1, 1),
        parameters=layers.parameters + (features + 1) * classes,
        multiply_adds=layers.multiply_adds + features * classes * times,
        activation_bytes=BYTES * (layers.activations + classes * times),
        temporal_field=1 + 2 * max(source.reach for source in sources),
        spatial_field=1 + before + after,
        depth=max(source.depth for source in sources) + convolutions,
        blocks=network.longest_path(),
    )
