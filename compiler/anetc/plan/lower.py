"""Lower a network to a plan with the operations of the reference module (`anetc.modules`).

The plan is not optimised here. The passes (`anetc.plan.passes`) optimise it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from anetc.modules.connection import pool_ratio
from anetc.modules.names import EDGES, MIXTURE, PEERS, SCALES, SINK, full_name, module_key
from anetc.plan.plan import Expr, Kind, Mode, Op, Option, Plan, call
from anetdsl.ir import Network, Node, Triple
from anetdsl.vocabulary import LITE_SINK_WIDTHS, OBJECT_STEM_STRIDE, STEM_STRIDE

Shape = tuple[int, ...]


def lower(
    network: Network,
    *,
    frames: int = 32,
    size: tuple[int, int] = (224, 224),
    mode: Mode = "inference",
) -> Plan:
    """Return the plan of a checked network for clips of `frames` x `size` (height, width)."""
    lowering = _Lowering(network, frames, *size)
    for value in network.inputs:
        lowering.emit("input", value.name, (), (value.channels, frames, *size))
    for node in network.topological_nodes():
        lowering.node = node
        if node.is_stem:
            lowering.stem(node)
        else:
            lowering.block(node)
        if network.attention == "peer":
            mean = f"{node.name}.mean"
            lowering.means[node.name] = lowering.space_mean(mean, lowering.outputs[node.name])
    lowering.sink()
    return Plan(network.name, frames, *size, tuple(lowering.ops), mode)


@attrs.define
class _Lowering:
    """The operations so far."""

    network: Network
    frames: int
    height: int
    width: int
    ops: list[Op] = attrs.Factory(list)
    shapes: dict[str, Shape] = attrs.Factory(dict)
    outputs: dict[str, str] = attrs.Factory(dict)
    """Name of the operation that computes each node's output."""
    means: dict[str, str] = attrs.Factory(dict)
    """Name of the operation that computes the mean over space of each node's output."""
    node: Node | None = None
    part: str = ""
    """Part of the network whose operations are appended, outside of nodes: `sink`, or none."""
    strides: dict[str, int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.strides = self.network.total_strides()

    def emit(self, kind: Kind, name: str, args: Sequence[str], shape: Shape, **rest: Any) -> str:
        """Append an operation and return its name. `weight`, `bias` and `gates` are expressions."""
        exprs = {key: rest.pop(key) for key in ("weight", "bias", "gates") if key in rest}
        node = self.node
        self.ops.append(
            Op(
                name,
                kind,
                tuple(args),
                shape,
                rest,
                {k: v if isinstance(v, tuple) else (v,) for k, v in exprs.items()},
                node.name if node else self.part,
                *((node.span,) if node else ()),
            )
        )
        self.shapes[name] = shape
        return name

    def conv(
        self,
        name: str,
        x: str,
        channels: int,
        kernel: str,
        *,
        stride: int = 1,
        dilation: int = 1,
        same: bool = False,
    ) -> str:
        """Append a convolution with the stored weight of the same name."""
        _, t, h, w = self.shapes[x]
        options: dict[str, Option] = {"kernel": kernel}
        if stride > 1:
            options["stride"] = stride
        if dilation > 1:
            options["dilation"] = dilation
        if same:
            options["same"] = True
        shape = (channels, t, -(-h // stride), -(-w // stride))
        return self.emit("conv", name, [x], shape, weight=call(_stored(name, ".weight")), **options)

    def norm(self, name: str, *, relu: bool = True) -> str:
        """Append the batch normalisation of a convolution, and a ReLU after it if `relu`."""
        shape = self.shapes[name]
        bn = call(_stored(name, "_bn"))
        result = self.emit("norm", f"{name}_bn", [name], shape, weight=bn)
        return self.emit("relu", f"{name}_relu", [result], shape) if relu else result

    def pool(self, name: str, x: str, window: int, stride: int) -> str:
        """Append a "same" max pool."""
        c, t, h, w = self.shapes[x]
        shape = (c, t, -(-h // stride), -(-w // stride))
        return self.emit("pool", name, [x], shape, window=window, stride=stride)

    def stem(self, node: Node) -> None:
        """Append a stem (semantics 2).

        It is a pool for objects. For lite blocks, it is a 3x3 and a temporal convolution; else a
        7x7 convolution, for RGB a temporal one, and a pool.
        """
        source = self.network.input(node.inputs[0].source)
        name = node.name
        if source.kind == "object":
            size = OBJECT_STEM_STRIDE
            self.outputs[name] = self.pool(name, source.name, size, size)
            return
        lite, rgb = self.network.blocks == "lite", source.kind == "rgb"
        x = self.conv(
            f"{name}.conv",
            source.name,
            node.width,
            "1x3x3" if lite else "1x7x7",
            stride=2,
            same=lite,
        )
        x = self.norm(x)
        if lite or rgb:
            kernel = "3x1x1" if lite else "5x1x1"
            x = self.norm(self.conv(f"{name}.tconv", x, node.width, kernel, dilation=node.rate))
        self.outputs[name] = x if lite else self.pool(name, x, 3 if rgb else 2, STEM_STRIDE // 2)

    def block(self, node: Node) -> None:
        """Append a block: the connection and the residual modules (semantics 3, 4)."""
        x = self.fuse(node)
        modules = self.network.modules[node.level - 1]
        lite = self.network.blocks == "lite"
        for index in range(modules):
            name = f"{node.name}.m{index}"
            stride = node.stride if index == 0 else 1
            first, second, last = self.module_widths(node)
            shortcut = x
            if index == 0:
                projected = self.conv(f"{name}.proj", x, last, "1x1x1", stride=stride)
                shortcut = self.norm(projected, relu=False)
            if lite or index % 2 == 0:
                start = self.conv(f"{name}.conv1", x, first, "1x1x1")
            else:
                start = self.conv(f"{name}.tconv", x, first, "3x1x1", dilation=node.rate)
            middle = self.middle(node, name, self.norm(start), second, stride)
            end = self.norm(self.conv(f"{name}.conv3", middle, last, "1x1x1"), relu=False)
            total = self.emit("add", f"{name}.add", [end, shortcut], self.shapes[end])
            result = node.name if index == modules - 1 else name
            x = self.emit("relu", result, [total], self.shapes[total])
        self.outputs[node.name] = x

    def module_widths(self, node: Node) -> Triple:
        """Return the output channels of the three convolutions of a residual module."""
        if self.network.blocks == "lite":
            return node.triple
        return node.width, self.network.widths[node.level - 1], 4 * node.width

    def middle(self, node: Node, name: str, x: str, channels: int, stride: int) -> str:
        """Append the convolutions between the first and the last one of a residual module."""
        conv2 = f"{name}.conv2"
        if self.network.blocks != "lite":
            return self.norm(self.conv(conv2, x, channels, "1x3x3", stride=stride))
        if stride == 1:
            return self.norm(self.conv(conv2, x, channels, "3x3x3", dilation=node.rate))
        x = self.norm(self.conv(conv2, x, channels, "1x3x3", stride=stride, same=True))
        return self.norm(self.conv(f"{name}.tconv", x, channels, "3x1x1", dilation=node.rate))

    def fuse(self, node: Node) -> str:
        """Append the connection of a node (semantics 3); return the name of its result.

        It consists of pools, attention, weighted sums and adapters.
        """
        terms = self.pooled(node)
        attention = self.attention(node, terms)
        if len(terms) == 1 and not attention:
            return terms[0]
        groups: dict[int, list[int]] = {}
        for index, x in enumerate(terms):
            groups.setdefault(self.shapes[x][0], []).append(index)
        channels = self.network.fused_channels()[node.name]
        sums = []
        for own, members in groups.items():
            total = self.emit(
                "attend" if attention else "sum",
                f"{node.name}.fuse.sum{own}",
                [
                    *(terms[index] for index in members),
                    *(attention[index] for index in members if attention),
                ],
                self.shapes[terms[members[0]]],
                gates=tuple(self.gate(node, index) for index in members),
            )
            if own != channels:
                total = self.conv(
                    f"{node.name}.fuse.adapt{own}to{channels}", total, channels, "1x1x1"
                )
            sums.append(total)
        total, *rest = sums
        for number, other in enumerate(rest, 1):
            name = f"{node.name}.fuse.add{number}"
            total = self.emit("add", name, [total, other], self.shapes[total])
        return total

    def pooled(self, node: Node) -> list[str]:
        """Append the pools of a node's inputs to the smallest size; return the inputs' names."""
        sources = [self.outputs[edge.source] for edge in node.inputs]
        sizes = [(self.shapes[x][2], self.shapes[x][3]) for x in sources]
        smallest = (min(h for h, _ in sizes), min(w for _, w in sizes))
        largest = max(self.strides[edge.source] for edge in node.inputs)
        terms = []
        for index, (edge, x) in enumerate(zip(node.inputs, sources)):
            ratio = pool_ratio(sizes[index], smallest, largest // self.strides[edge.source])
            if ratio > 1:
                x = self.pool(f"{node.name}.fuse.pool{index}", x, ratio, ratio)
            terms.append(x)
        return terms

    def gate(self, node: Node, index: int) -> Expr:
        """Return the gate of an input; a sole input has none, so that its gate is 1."""
        w = call(_stored(f"{node.name}.{EDGES}"))
        return call("gate", w, index) if len(node.inputs) > 1 else call("1")

    def attention(self, node: Node, terms: Sequence[str]) -> list[str]:
        """Append the attention of a node's inputs; return its logits, which are CxT, by input."""
        if self.network.attention == "none":
            return []
        name = f"{node.name}.fuse"
        if self.network.attention == "peer":
            vectors = self.mixtures(node)
        else:
            vectors = [self.space_mean(f"{name}.mean{index}", x) for index, x in enumerate(terms)]
        logits = []
        for index, (x, vector) in enumerate(zip(terms, vectors)):
            # A gate multiplies the input before its mean is taken.
            gated = self.network.attention == "self" and len(terms) > 1
            gates = {"gates": self.gate(node, index)} if gated else {}
            stored = f"{node.name}.{SCALES}{index}"
            logits.append(
                self.linear(f"{name}.scale{index}", vector, self.shapes[x][0], stored, **gates)
            )
        return logits

    def mixtures(self, node: Node) -> list[str]:
        """Append the mixtures of a node's peers; return their names by input of the node."""
        peers = [peer.name for peer in self.network.peers_by_level()[node.level]]
        widest = max(self.shapes[self.outputs[peer]][0] for peer in peers)
        vectors = [
            self.linear(
                f"{node.name}.fuse.peer.{peer}",
                self.means[peer],
                widest,
                f"{node.name}.{PEERS}{module_key(peer)}",
            )
            for peer in peers
        ]
        h = call(_stored(f"{node.name}.{MIXTURE}"))
        return [
            self.emit(
                "mix",
                f"{node.name}.fuse.mix{index}",
                vectors,
                (widest, self.frames),
                gates=tuple(call("share", h, index, k) for k in range(len(peers))),
            )
            for index in range(len(node.inputs))
        ]

    def space_mean(self, name: str, x: str) -> str:
        """Append the mean over space, CxT."""
        return self.emit("space_mean", name, [x], (self.shapes[x][0], self.frames))

    def linear(self, name: str, x: str, channels: int, stored: str, **gates: Expr) -> str:
        """Append a linear layer with the stored weight and bias of the name `stored`."""
        weight, bias = (call(_stored(stored, f".{leaf}")) for leaf in ("weight", "bias"))
        shape = (channels, *self.shapes[x][1:])
        return self.emit("linear", name, [x], shape, weight=weight, bias=bias, **gates)

    def lite_sink(self, x: str) -> str:
        """Append the convolutions of the sink of lite blocks, as operations of a node `sink`."""
        self.part = SINK
        for number, channels in enumerate(LITE_SINK_WIDTHS, 1):
            x = self.norm(self.conv(f"{SINK}.conv{number}", x, channels, "1x1x1"))
        self.part = ""
        return x

    def sink(self) -> None:
        """Append the sink: averages, combination, and classifier (semantics 5).

        Lite blocks have two convolutions before it.
        """
        self.node = None
        sink = self.network.sink
        per_frame = sink.head == "maxpool"
        vectors = []
        for number, edge in enumerate(sink.inputs):
            x = self.outputs[edge.source]
            if self.network.blocks == "lite":
                x = self.lite_sink(x)
            channels = self.shapes[x][0]
            x = self.space_mean(f"sink.space{number}", x)
            if not per_frame:
                x = self.emit("time_mean", f"sink.time{number}", [x], (channels,))
            vectors.append(x)
        x = vectors[0]
        tail = (self.frames,) if per_frame else ()
        if len(vectors) > 1:
            combine = sink.combine == "concat"
            widths = [self.shapes[v][0] for v in vectors]
            shape = (sum(widths) if combine else widths[0], *tail)
            x = self.emit("concat" if combine else "average", "sink.combined", vectors, shape)
        x = self.linear("sink.fc", x, sink.classes, "sink.fc")
        if per_frame:
            self.emit("time_pool", "sink.time_pool", [x], (sink.classes,))


def _stored(name: str, ending: str = "") -> str:
    """Return the name in the state dict of a stored tensor `NODE.REST` or `sink.REST`."""
    node, _, part = name.partition(".")
    if node == SINK:
        return f"{name}{ending}"
    return full_name(node, f"{part}{ending}")
