"""Closed formulas for the costs of single nodes and of the sink (`anetdsl.cost`).

Each convolution of a block or a stem is followed by batch normalisation with two parameters per
output channel. Linear layers of the attention have biases. Sections of docs/semantics.md define the
layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from anetdsl.vocabulary import LITE_SINK_WIDTHS, LITE_STEM_STRIDE, OBJECT_STEM_STRIDE, STEM_STRIDE

if TYPE_CHECKING:
    from anetdsl.ir import Attention, Blocks, Input, Node

STEM_KERNEL = 7
STEM_TEMPORAL_KERNEL = 5
MODULE_CONVOLUTIONS = 3
"""Convolutions on the longest path of a residual module; projections and adapters are not on it."""


@attrs.frozen
class Output:
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


@attrs.frozen
class LayerCost:
    """Parameters, multiply-adds and outputs of some layers."""

    parameters: int = 0
    multiply_adds: int = 0
    activations: int = 0


def stem_cost(
    node: Node, given: Input, blocks: Blocks, frames: int, height: int, width: int
) -> Output:
    """Count a stem (semantics 2)."""
    if given.kind == "object":
        return _object_stem(node, given, frames, height, width)
    if blocks == "lite":
        return _lite_stem(node, given, frames, height, width)
    channels = node.width
    height, width = halved(height), halved(width)
    elements = channels * frames * height * width
    kernel = STEM_KERNEL * STEM_KERNEL * given.channels
    temporal = given.kind == "rgb"
    if temporal:
        kernel += STEM_TEMPORAL_KERNEL * channels
    convolutions = 2 if temporal else 1
    # The pool reads 3 (RGB) or 2 (flow) pixels of the convolution's map, padded at the end.
    pool = 3 if temporal else 2
    return Output(
        name=node.name,
        channels=channels,
        frames=frames,
        height=halved(height),
        width=halved(width),
        step=STEM_STRIDE,
        before=STEM_KERNEL // 2,
        after=STEM_KERNEL // 2 + 2 * (pool - 1),
        reach=STEM_TEMPORAL_KERNEL // 2 * node.rate if temporal else 0,
        depth=convolutions,
        parameters=channels * (kernel + 2 * convolutions),
        multiply_adds=elements * kernel,
        activations=elements * convolutions,
    )


def _object_stem(node: Node, given: Input, frames: int, height: int, width: int) -> Output:
    """Count the stem of an object input: a 4x4 max pool, without weights."""
    stride = OBJECT_STEM_STRIDE
    return Output(
        name=node.name,
        channels=given.channels,
        frames=frames,
        height=-(-height // stride),
        width=-(-width // stride),
        step=stride,
        before=0,
        after=stride - 1,
        reach=0,
        depth=0,
        parameters=0,
        multiply_adds=0,
        activations=0,
    )


def _lite_stem(node: Node, given: Input, frames: int, height: int, width: int) -> Output:
    """Count a lite stem: a 3x3 convolution of stride 2 and a temporal convolution of 3 frames."""
    channels = node.width
    height, width = halved(height), halved(width)
    elements = channels * frames * height * width
    kernel = 9 * given.channels + 3 * channels
    return Output(
        name=node.name,
        channels=channels,
        frames=frames,
        height=height,
        width=width,
        step=LITE_STEM_STRIDE,
        before=0,
        after=2,
        reach=node.rate,
        depth=2,
        parameters=channels * (kernel + 4),
        multiply_adds=elements * kernel,
        activations=2 * elements,
    )


def block_cost(
    node: Node,
    sources: Sequence[Output],
    wide: int,
    width_2d: int,
    modules: int,
    edge_weights: int,
    attention: LayerCost,
) -> Output:
    """Count a block: its connection and its residual modules (semantics 3 and 4).

    `wide` is the number of channels of the sum of the inputs. `width_2d` is D, which lite blocks do
    not use.
    """
    frames = sources[0].frames
    low = min(source.height for source in sources), min(source.width for source in sources)
    read = frames * low[0] * low[1]
    height, width = (-(-size // node.stride) for size in low)
    written = frames * height * width

    channels = {source.channels for source in sources}
    adapters = LayerCost(
        wide * (sum(channels) - wide),
        read * wide * (sum(channels) - wide),
        read * (len(channels) - 1) * wide,
    )
    lite = isinstance(node.channels, tuple)
    layers = (
        _lite_modules(node, wide, modules, read, written)
        if lite
        else _full_modules(node, wide, width_2d, modules, read, written)
    )
    step = max(source.step for source in sources)
    # A lite block of stride 2 or more pads at the end only: its first 3x3 convolution reads two
    # pixels after its own.
    first = (0, 2 * step) if lite and node.stride > 1 else (step, step)
    later = (modules - 1) * step * node.stride
    strided_lite = lite and node.stride > 1
    return Output(
        name=node.name,
        channels=node.filters[-1] if lite else 4 * node.width,
        frames=frames,
        height=height,
        width=width,
        step=step * node.stride,
        before=max(source.before for source in sources) + first[0] + later,
        # A skip is pooled to the common step by windows that start at the element's own pixel.
        after=max(source.after + step - source.step for source in sources) + first[1] + later,
        reach=max(source.reach for source in sources)
        + node.rate * (modules if lite else modules // 2),
        depth=max(source.depth for source in sources)
        + MODULE_CONVOLUTIONS * modules
        + (1 if strided_lite else 0),
        parameters=adapters.parameters + layers.parameters + attention.parameters + edge_weights,
        multiply_adds=adapters.multiply_adds + layers.multiply_adds + attention.multiply_adds,
        activations=adapters.activations + layers.activations + attention.activations,
    )


def _full_modules(
    node: Node, wide: int, width_2d: int, modules: int, read: int, written: int
) -> LayerCost:
    """Count the residual modules of a block; the first, third, ... is 2D, the others (2+1)D.

    `read` and `written` are the elements of one channel before and after the stride.
    """
    C, D, out = node.width, width_2d, 4 * node.width
    temporal_modules = modules // 2
    later_2d_modules = (modules - 1) // 2
    first_reduction = wide * C
    reductions = (3 * temporal_modules + later_2d_modules) * out * C
    strided = (modules * (9 * C * D + D * out)) + wide * out
    normalised = modules * (C + D + out) + out
    return LayerCost(
        first_reduction + reductions + strided + 2 * normalised,
        read * first_reduction + written * (reductions + strided),
        read * C + written * (normalised - C),
    )


def _lite_modules(node: Node, wide: int, modules: int, read: int, written: int) -> LayerCost:
    """Count the modules of a lite block. Only the first one has a stride and a projection."""
    f0, f1, f2 = node.triple
    # With a stride, the first module has a 3x3 and a temporal convolution, else one of 3x3x3.
    split = node.stride > 1
    first = 9 * f0 * f1 + 3 * f1 * f1 if split else 27 * f0 * f1
    later = (modules - 1) * (f2 * f0 + 27 * f0 * f1 + f1 * f2)
    strided = first + f1 * f2 + wide * f2 + later
    normalised = modules * (f0 + f1 + f2) + f2 + (f1 if split else 0)
    return LayerCost(
        wide * f0 + strided + 2 * normalised,
        read * wide * f0 + written * strided,
        read * f0 + written * (normalised - f0),
    )


def attention_cost(
    mode: Attention, sources: Sequence[int], peers: Sequence[int], frames: int
) -> LayerCost:
    """Count the attention of a node's connections, from channels of its inputs and of its peers.

    A frame of peer attention maps each peer to the largest number of channels among the peers (M),
    mixes the results for each connection, and maps the mixture to the connection's channels.
    """
    if mode == "none":
        return LayerCost()
    if mode == "self":
        return LayerCost(
            sum((channels + 1) * channels for channels in sources),
            frames * sum(channels * channels for channels in sources),
            frames * sum(sources),
        )
    largest = max(peers)
    return LayerCost(
        sum((channels + 1) * largest for channels in peers)
        + sum(len(peers) + (largest + 1) * channels for channels in sources),
        frames
        * (
            sum(channels * largest for channels in peers)
            + len(sources) * len(peers) * largest
            + sum(largest * channels for channels in sources)
        ),
        frames * (len(peers) * largest + sum(sources)),
    )


def lite_sink_cost(source: Output) -> LayerCost:
    """Count the two convolutions of a lite sink (semantics 5)."""
    first, second = LITE_SINK_WIDTHS
    elements = source.frames * source.height * source.width
    kernels = source.channels * first + first * second
    return LayerCost(
        kernels + 2 * (first + second), elements * kernels, elements * (first + second)
    )


def halved(size: int) -> int:
    """Return half of a size, rounded up."""
    return -(-size // 2)
