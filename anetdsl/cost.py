"""Compute the cost of a network: parameters, multiply-adds, memory, receptive fields, depth.

The cost comes from closed formulas, so a search can compute thousands of costs per second. The
results equal PyTorch's own counts for the compiled module: `sum(p.numel())` of its trainable
parameters, and half of what `torch.utils.flop_counter` counts. That counter counts convolutions and
the linear layer, with the whole kernel for each output element, padding included.

The network must have passed its checks. The cost of an unchecked network is undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from anetdsl.ir import Input, Network, Node, Sink

SCHEMA = "anetdsl-cost"
SCHEMA_VERSION = 1

BYTES = 4
"""Bytes per value in float32."""
STEM_KERNEL = 7
STEM_TEMPORAL_KERNEL = 5
MODULE_CONVOLUTIONS = 3
"""Convolutions on the longest path of a residual module; projections and adapters are not on it."""


@attrs.frozen
class NodeCost:
    """Cost of one node, or of the sink, for one clip.

    The receptive fields are theoretical: the span of the input that one element of the output
    depends on over all paths, pooling included, for sizes that are divisible by every stride.
    """

    name: str
    shape: tuple[int, int, int, int]
    """Shape (C, T, H, W) of the output; (classes, 1, 1, 1) for the sink's logits."""
    parameters: int
    multiply_adds: int
    activation_bytes: int
    """Memory of all outputs of convolutions and of the classifier in float32, projections and
    adapters included: the activations of Radosavovic et al. 2020, in bytes."""
    temporal_field: int
    """Receptive field in frames; for the sink, that of the features that it averages."""
    spatial_field: int
    """Receptive field in pixels, equal in height and width; for the sink as above."""
    depth: int
    """Number of convolutions on the longest path from an input, as in the paper (A.3): 1 or 2 in a
    stem, 3 in a residual module."""
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
    inputs = {value.name: value for value in network.inputs}
    learned = network.edges == "learned"
    outputs: dict[str, _Output] = {}
    for node in network.topological_nodes():
        if node.is_stem:
            given = inputs[node.inputs[0].source]
            outputs[node.name] = _stem(node, given, frames, height, width)
        else:
            sources = [outputs[edge.source] for edge in node.inputs]
            width_2d = network.widths[node.level - 1]
            modules = network.modules[node.level - 1]
            outputs[node.name] = _block(node, sources, width_2d, modules, learned)
    blocks = network.path_lengths()
    rows = tuple(outputs[node.name].cost(blocks[node.name]) for node in network.nodes)
    read = [outputs[edge.source] for edge in network.sink.inputs]
    sink = _sink(network.sink, read, classes, network.longest_path())
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


@attrs.frozen
class _Output:
    """A node's output, with the values that the costs of its readers depend on.

    Output element p depends on the input pixels from `step * p - before` to `step * p + after`, and
    on the frames up to `reach` before and after its own. Both ends are kept, not only the span: a
    pool reads to one side, so the spans of two paths may have different centres.
    """

    name: str
    channels: int
    frames: int
    height: int
    width: int
    step: int
    before: int
    after: int
    reach: int
    depth: int
    parameters: int
    multiply_adds: int
    activations: int

    def cost(self, blocks: int) -> NodeCost:
        """Return the cost of the node, given the number of nodes on the longest path to it."""
        return NodeCost(
            self.name,
            (self.channels, self.frames, self.height, self.width),
            self.parameters,
            self.multiply_adds,
            BYTES * self.activations,
            1 + 2 * self.reach,
            1 + self.before + self.after,
            self.depth,
            blocks,
        )


def _stem(node: Node, given: Input, frames: int, height: int, width: int) -> _Output:
    """Count a stem: 7x7 convolution of stride 2, for RGB a temporal convolution, max pool."""
    channels = node.channels
    height, width = _halved(height), _halved(width)
    elements = channels * frames * height * width
    kernel = STEM_KERNEL * STEM_KERNEL * given.channels
    temporal = given.kind == "rgb"
    if temporal:
        kernel += STEM_TEMPORAL_KERNEL * channels
    convolutions = 2 if temporal else 1
    # The pool reads 3 (RGB) or 2 (flow) pixels of the convolution's map, padded at the end.
    pool = 3 if temporal else 2
    return _Output(
        name=node.name,
        channels=channels,
        frames=frames,
        height=_halved(height),
        width=_halved(width),
        step=4,
        before=STEM_KERNEL // 2,
        after=STEM_KERNEL // 2 + 2 * (pool - 1),
        reach=STEM_TEMPORAL_KERNEL // 2 * node.dilation if temporal else 0,
        depth=convolutions,
        parameters=channels * (kernel + 2 * convolutions),
        multiply_adds=elements * kernel,
        activations=elements * convolutions,
    )


def _block(
    node: Node, sources: Sequence[_Output], width_2d: int, modules: int, learned: bool
) -> _Output:
    """Count a block: the connections into it and its residual modules.

    The first, third, ... module is a 2D one; the others are (2+1)D. Each convolution is followed by
    batch normalisation with two parameters per output channel.
    """
    C, D, out = node.channels, width_2d, node.out_channels
    step = max(source.step for source in sources)
    read = min(source.height for source in sources) * min(source.width for source in sources)
    height = -(-min(source.height for source in sources) // node.stride)
    width = -(-min(source.width for source in sources) // node.stride)
    frames = sources[0].frames
    read *= frames
    written = frames * height * width

    channels = {source.channels for source in sources}
    wide = max(channels)
    adapters = len(channels) - 1
    adapter_kernels = wide * (sum(channels) - wide)

    temporal_modules = modules // 2
    later_2d_modules = (modules - 1) // 2
    later = modules - 1
    first_reduction = wide * C
    reductions = (3 * temporal_modules + later_2d_modules) * out * C
    strided = (modules * (9 * C * D + D * out)) + wide * out
    normalised = modules * (C + D + out) + out
    return _Output(
        name=node.name,
        channels=out,
        frames=frames,
        height=height,
        width=width,
        step=step * node.stride,
        before=max(source.before for source in sources) + step + later * step * node.stride,
        # A skip is pooled to the common step by windows that start at the element's own pixel.
        after=max(source.after + step - source.step for source in sources)
        + step
        + later * step * node.stride,
        reach=max(source.reach for source in sources) + node.dilation * temporal_modules,
        depth=max(source.depth for source in sources) + MODULE_CONVOLUTIONS * modules,
        parameters=adapter_kernels
        + first_reduction
        + reductions
        + strided
        + 2 * normalised
        + (len(sources) if learned and node.has_edge_weights else 0),
        multiply_adds=read * (adapter_kernels + first_reduction) + written * (reductions + strided),
        activations=read * (adapters * wide + C) + written * (normalised - C),
    )


def _sink(sink: Sink, sources: Sequence[_Output], classes: int, blocks: int) -> NodeCost:
    """Count the classifier: a linear layer, used once per clip, or per frame with head=maxpool."""
    channels = [source.channels for source in sources]
    features = sum(channels) if sink.combine == "concat" else channels[0]
    times = sources[0].frames if sink.head == "maxpool" else 1
    before = max(source.before for source in sources)
    after = max(source.after for source in sources)
    return NodeCost(
        name="sink",
        shape=(classes, 1, 1, 1),
        parameters=(features + 1) * classes,
        multiply_adds=features * classes * times,
        activation_bytes=BYTES * classes * times,
        temporal_field=1 + 2 * max(source.reach for source in sources),
        spatial_field=1 + before + after,
        depth=max(source.depth for source in sources),
        blocks=blocks,
    )


def _halved(size: int) -> int:
    return -(-size // 2)
