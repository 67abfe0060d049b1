"""What a network costs: shapes, parameters, multiply-adds, memory, receptive fields, depth.

Closed formulas over the values of `anetdsl.ir`, so that a search can ask thousands of times a
second. They equal what PyTorch's own counters say of the compiled module: `sum(p.numel())` of its
trainable parameters, and half of what `torch.utils.flop_counter` counts, which is convolutions and
the linear layer, each output element with the whole kernel, padding included.

The network has passed its checks; what an unchecked one costs is undefined.
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
"""Bytes of one value in float32."""
STEM_KERNEL = 7
STEM_TEMPORAL_KERNEL = 5
MODULE_CONVOLUTIONS = 3
"""Convolutions of a residual module on its longest path: neither the projection nor an adapter."""


@attrs.frozen
class NodeCost:
    """The cost of one node, or of the sink, for one clip.

    `shape` is that of its output, (C, T, H, W); the sink's logits are (classes, 1, 1, 1).
    `activation_bytes` is the memory of all outputs of convolutions and of the classifier in
    float32, projections and adapters included: the activations of Radosavovic et al. 2020, in
    bytes. `temporal_field` (frames) and `spatial_field` (pixels, of height and of width alike) are
    theoretical receptive fields: the span of the input that one element of the output sees over all
    paths, pooling included, for sizes that every stride divides; the sink's are those of the
    features that it averages. `depth` counts convolutions on the longest path from an input, as the
    paper does (A.3): 1 or 2 in a stem, 3 in a residual module. `blocks` counts the nodes on that of
    most nodes.
    """

    name: str
    shape: tuple[int, int, int, int]
    parameters: int
    multiply_adds: int
    activation_bytes: int
    temporal_field: int
    spatial_field: int
    depth: int
    blocks: int


@attrs.frozen
class Cost:
    """The cost of a network for one clip of `frames` x `height` x `width`."""

    network: str
    frames: int
    height: int
    width: int
    classes: int
    nodes: tuple[NodeCost, ...]
    """In the order of the text."""
    sink: NodeCost
    parameters: int
    multiply_adds: int
    activation_bytes: int
    weight_bytes: int
    """Memory of the trainable parameters in float32."""

    @property
    def temporal_field(self) -> int:
        """Frames that one feature before the classifier sees."""
        return self.sink.temporal_field

    @property
    def spatial_field(self) -> int:
        """Pixels, per side, that one feature before the classifier sees."""
        return self.sink.spatial_field

    @property
    def depth(self) -> int:
        """Convolutions on the longest path; 50 for Table 4 of the paper."""
        return self.sink.depth

    @property
    def blocks(self) -> int:
        """Blocks on the longest path from an input to the sink, the stem among them."""
        return self.sink.blocks

    def to_json(self) -> dict[str, Any]:
        """The cost as plain values for JSON, with the version of their layout."""
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
    """What a network costs for one clip of `frames` frames of `size` (a side, or (H, W)) pixels.

    `classes` stands in for the number that the sink names. Raises ValueError for a number below 1.
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
    """A node's output, and what a consumer needs of it to go on counting.

    Output element p sees the input pixels from `step * p - before` to `step * p + after`, and the
    frames up to `reach` on either side of its own. Both ends are kept, not only the span, because a
    pool reads to one side: the spans of two paths need not lie on each other.
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
        """Return the cost; `blocks` is the number of nodes on the longest path to this one."""
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
    """7x7 convolution of stride 2, for RGB a temporal convolution, max pool of stride 2."""
    channels = node.channels
    height, width = _halved(height), _halved(width)
    elements = channels * frames * height * width
    kernel = STEM_KERNEL * STEM_KERNEL * given.channels
    temporal = given.kind == "rgb"
    if temporal:
        kernel += STEM_TEMPORAL_KERNEL * channels
    convolutions = 2 if temporal else 1
    # The pool reads 3 (RGB) or 2 (flow) pixels of the convolution's map, padded on their far side.
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
    """The connections into a block, and its residual modules: 2D ones first, third, ...

    Each convolution is followed by batch normalisation: two parameters an output channel.
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
    flat_modules = (modules - 1) // 2  # those after the first
    later = modules - 1
    first_reduction = wide * C
    reductions = (3 * temporal_modules + flat_modules) * out * C
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
    """The classifier: one linear layer, once a clip, or once a frame with `head=maxpool`."""
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
