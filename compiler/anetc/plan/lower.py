"""Lower a network to a plan with the operations of the reference module (`anetc.modules`).

The plan is not optimised here. The passes (`anetc.plan.passes`) optimise it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from anetc.modules.connection import pool_ratio
from anetc.modules.names import full_name
from anetc.plan.plan import Kind, Mode, Op, Option, Plan, call
from anetdsl.errors import CannotRun
from anetdsl.ir import Network, Node
from anetdsl.vocabulary import STEM_STRIDE

Shape = tuple[int, ...]


def missing_in_plans(network: Network) -> str:
    """Return what plans do not have yet, of all that a network uses; empty if nothing is missing.

    Such a network runs by the reference module only.
    """
    missing = []
    if any(value.kind == "object" for value in network.inputs):
        missing.append("object inputs")
    if network.attention != "none":
        missing.append(f"attention={network.attention}")
    if network.blocks != "full":
        missing.append(f"blocks={network.blocks}")
    return ", ".join(missing)


def lower(
    network: Network,
    *,
    frames: int = 32,
    size: tuple[int, int] = (224, 224),
    mode: Mode = "inference",
) -> Plan:
    """Return the plan of a checked network for clips of `frames` x `size` (height, width).

    Raise CannotRun for a network with `missing_in_plans`.
    """
    if missing := missing_in_plans(network):
        raise CannotRun(
            f"network {network.name}: no plan can be made for {missing}; "
            "run it by the reference module, with --engine reference"
        )
    lowering = _Lowering(network, frames, *size)
    for value in network.inputs:
        lowering.emit("input", value.name, (), (value.channels, frames, *size))
    for node in network.topological_nodes():
        lowering.node = node
        if node.is_stem:
            lowering.stem(node)
        else:
            lowering.block(node)
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
    node: Node | None = None
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
                node.name if node else "",
                *((node.span,) if node else ()),
            )
        )
        self.shapes[name] = shape
        return name

    def conv(
        self, name: str, x: str, channels: int, kernel: str, *, stride: int = 1, dilation: int = 1
    ) -> str:
        """Append a convolution with the stored weight of the same name."""
        _, t, h, w = self.shapes[x]
        options: dict[str, Option] = {"kernel": kernel}
        if stride > 1:
            options["stride"] = stride
        if dilation > 1:
            options["dilation"] = dilation
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
        """Append a stem: 7x7, for RGB a temporal convolution, and the pool (semantics 2)."""
        source = self.network.input(node.inputs[0].source)
        x = self.conv(f"{node.name}.conv", source.name, node.width, "1x7x7", stride=2)
        x = self.norm(x)
        rgb = source.kind == "rgb"
        if rgb:
            name, dilation = f"{node.name}.tconv", node.rate
            x = self.norm(self.conv(name, x, node.width, "5x1x1", dilation=dilation))
        self.outputs[node.name] = self.pool(node.name, x, 3 if rgb else 2, STEM_STRIDE // 2)

    def block(self, node: Node) -> None:
        """Append a block: the connection and the residual modules (semantics 3, 4)."""
        x = self.fuse(node)
        level = node.level - 1
        width, modules = self.network.widths[level], self.network.modules[level]
        for index in range(modules):
            name = f"{node.name}.m{index}"
            stride = node.stride if index == 0 else 1
            shortcut = x
            if index == 0:
                projected = self.conv(f"{name}.proj", x, 4 * node.width, "1x1x1", stride=stride)
                shortcut = self.norm(projected, relu=False)
            if index % 2:
                first = self.conv(f"{name}.tconv", x, node.width, "3x1x1", dilation=node.rate)
            else:
                first = self.conv(f"{name}.conv1", x, node.width, "1x1x1")
            second = self.conv(f"{name}.conv2", self.norm(first), width, "1x3x3", stride=stride)
            third = self.conv(f"{name}.conv3", self.norm(second), 4 * node.width, "1x1x1")
            third = self.norm(third, relu=False)
            total = self.emit("add", f"{name}.add", [third, shortcut], self.shapes[third])
            result = node.name if index == modules - 1 else name
            x = self.emit("relu", result, [total], self.shapes[total])
        self.outputs[node.name] = x

    def fuse(self, node: Node) -> str:
        """Append the pools, weighted sums and adapters of a node; return the name of the total."""
        if len(node.inputs) == 1:
            return self.outputs[node.inputs[0].source]
        sources = [self.outputs[edge.source] for edge in node.inputs]
        sizes = [(self.shapes[x][2], self.shapes[x][3]) for x in sources]
        smallest = (min(h for h, _ in sizes), min(w for _, w in sizes))
        largest = max(self.strides[edge.source] for edge in node.inputs)
        w = call(_stored(f"{node.name}.fuse.w"))
        groups: dict[int, list[tuple[int, str]]] = {}
        for index, (edge, x) in enumerate(zip(node.inputs, sources)):
            ratio = pool_ratio(sizes[index], smallest, largest // self.strides[edge.source])
            if ratio > 1:
                x = self.pool(f"{node.name}.fuse.pool{index}", x, ratio, ratio)
            groups.setdefault(self.shapes[x][0], []).append((index, x))
        channels = max(groups)
        sums = []
        for own, members in groups.items():
            name = f"{node.name}.fuse.sum{own}"
            gates = tuple(call("gate", w, index) for index, _ in members)
            shape = (own, self.frames, *smallest)
            total = self.emit("sum", name, [x for _, x in members], shape, gates=gates)
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

    def sink(self) -> None:
        """Append the sink: averages, combination, and classifier (semantics 5)."""
        self.node = None
        sink = self.network.sink
        per_frame = sink.head == "maxpool"
        vectors = []
        for number, edge in enumerate(sink.inputs):
            x = self.outputs[edge.source]
            channels = self.shapes[x][0]
            x = self.emit("space_mean", f"sink.space{number}", [x], (channels, self.frames))
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
        weight, bias = call("sink.fc.weight"), call("sink.fc.bias")
        x = self.emit("linear", "sink.fc", [x], (sink.classes, *tail), weight=weight, bias=bias)
        if per_frame:
            self.emit("time_pool", "sink.time_pool", [x], (sink.classes,))


def _stored(name: str, ending: str = "") -> str:
    """Return the name in the state dict of a stored tensor `NODE.REST`."""
    node, _, part = name.partition(".")
    return full_name(node, f"{part}{ending}")
