"""A second, independent implementation of all networks: plain functions of a state dict.

It follows the description of the layers, and shares no code with `anetc.modules`. It computes in
inference mode, node by node, in double precision.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from anetdsl.ir import Network, Node


def plain_outputs(
    network: Network, state: Mapping[str, Tensor], inputs: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the output of every node by name, and the logits as `sink`."""
    weights = {name: tensor.double() for name, tensor in state.items()}
    features: dict[str, Tensor] = {}
    for node in sorted(network.nodes, key=lambda node: node.level):
        own = {k.removeprefix(p): w for p in (f"nodes.{node.name}.",) for k, w in weights.items()}
        if node.level == 0:
            source = next(v for v in network.inputs if v.name == node.inputs[0].source)
            x = inputs[source.name].double()
            features[node.name] = stem(network, node, source.kind, own, x)
        else:
            features[node.name] = block(network, node, own, features)
    sink = {k.removeprefix("sink."): w for k, w in weights.items() if k.startswith("sink.")}
    vectors = []
    for edge in network.sink.inputs:
        x = features[edge.source]
        if network.blocks == "lite":
            x = conv_bn(sink, "conv2", conv_bn(sink, "conv1", x))
        vectors.append(x.mean((3, 4)))
    x = torch.cat(vectors, 1) if network.sink.combine == "concat" else sum(vectors) / len(vectors)
    logits = torch.einsum("nct,kc->nkt", x, sink["fc.weight"]) + sink["fc.bias"][None, :, None]
    if network.sink.head == "maxpool":
        return {
            **features,
            "sink": (torch.softmax(logits / logits.shape[2] ** 0.5, 2) * logits).sum(2),
        }
    return {**features, "sink": logits.mean(2)}


def stem(network: Network, node: Node, kind: str, own: Mapping[str, Tensor], x: Tensor) -> Tensor:
    if kind == "object":
        return same_pool(x, 4, 4)
    if network.blocks == "lite":
        return conv_bn(
            own, "tconv", conv_bn(own, "conv", x, stride=2, same=True), rate=node.dilation
        )
    x = conv_bn(own, "conv", x, stride=2)
    if kind == "rgb":
        return same_pool(conv_bn(own, "tconv", x, rate=node.dilation), 3, 2)
    return same_pool(x, 2, 2)


def block(
    network: Network, node: Node, own: Mapping[str, Tensor], features: Mapping[str, Tensor]
) -> Tensor:
    x = connection(network, node, own, features)
    modules, lite = network.modules[node.level - 1], network.blocks == "lite"
    for index in range(modules):
        m = {k.removeprefix(f"m{index}."): w for k, w in own.items() if k.startswith(f"m{index}.")}
        stride = node.stride if index == 0 else 1
        shortcut = conv_bn(m, "proj", x, stride=stride, relu=False) if index == 0 else x
        if lite:
            split = stride > 1
            x = conv_bn(m, "conv1", x)
            x = conv_bn(m, "conv2", x, stride, rate=1 if split else node.dilation, same=True)
            x = conv_bn(m, "tconv", x, rate=node.dilation) if split else x
        else:
            x = conv_bn(m, "tconv", x, rate=node.dilation) if index % 2 else conv_bn(m, "conv1", x)
            x = conv_bn(m, "conv2", x, stride)
        x = torch.relu(conv_bn(m, "conv3", x, relu=False) + shortcut)
    return x


def connection(
    network: Network, node: Node, own: Mapping[str, Tensor], features: Mapping[str, Tensor]
) -> Tensor:
    sources = [edge.source for edge in node.inputs]
    height = min(features[s].shape[3] for s in sources)
    width = min(features[s].shape[4] for s in sources)
    strides = network.total_strides()
    terms: list[Tensor] = []
    for index, name in enumerate(sources):
        x = features[name]
        if x.shape[3:] != (height, width):
            ratio = (x.shape[3] + 1) // height
            if [-(-n // ratio) for n in x.shape[3:]] != [height, width]:
                ratio = max(strides[s] for s in sources) // strides[name]
            x = same_pool(x, ratio, ratio)
        terms.append(x if len(sources) == 1 else x * torch.sigmoid(own["fuse.w"][index]))
    scaled = [t * a for t, a in zip(terms, attention(network, node, own, features, terms))]
    if len(sources) == 1:
        return scaled[0]
    objects = {n.name for n in network.nodes if n.channels is None}
    others = [t for s, t in zip(sources, scaled) if s not in objects]
    widest = max(t.shape[1] for t in others or scaled)
    total = torch.zeros(())
    for x in scaled:  # a sum of convolutions is the convolution of the sum
        kernel = own.get(f"fuse.adapt{x.shape[1]}to{widest}.weight")
        total = total + (x if kernel is None else functional.conv3d(x, kernel))
    return total


def attention(
    network: Network,
    node: Node,
    own: Mapping[str, Tensor],
    features: Mapping[str, Tensor],
    terms: list[Tensor],
) -> list[Tensor]:
    if network.attention == "none":
        return [torch.ones(()) for _ in terms]

    def dense(name: str, x: Tensor) -> Tensor:  # (N, C, T) -> (N, K, T)
        kernel, bias = own[f"fuse.attention.{name}.weight"], own[f"fuse.attention.{name}.bias"]
        return torch.einsum("nct,kc->nkt", x, kernel) + bias[None, :, None]

    vectors = [term.mean((3, 4)) for term in terms]
    if network.attention == "peer":
        kinds = {value.name: value.kind for value in network.inputs}
        order = ["object", "flow", "rgb"]
        lower = [n for n in network.nodes if n.level < node.level]
        lower.sort(key=lambda n: (n.level, n.level or order.index(kinds[n.inputs[0].source])))
        mapped = [dense(f"peers.{n.name}", features[n.name].mean((3, 4))) for n in lower]
        shares = torch.softmax(own["fuse.attention.h"], 1)
        vectors = [sum(p * g for p, g in zip(row, mapped)) for row in shares]  # type: ignore[misc]
    return [
        torch.sigmoid(dense(f"scales.{index}", vector))[..., None, None]
        for index, vector in enumerate(vectors)
    ]


def conv_bn(
    own: Mapping[str, Tensor],
    name: str,
    x: Tensor,
    stride: int = 1,
    *,
    rate: int | None = 1,
    relu: bool = True,
    same: bool = False,
) -> Tensor:
    """Convolve, normalise, rectify. The padding is symmetric, or TensorFlow's with `same`."""
    kernel, dilation = own[f"{name}.weight"], rate or 1
    frames = dilation * (kernel.shape[2] // 2)
    pads = [padding(x.shape[axis], kernel.shape[axis], stride, same) for axis in (4, 3)]
    x = functional.pad(x, (*pads[0], *pads[1], frames, frames))
    x = functional.conv3d(x, kernel, stride=(1, stride, stride), dilation=(dilation, 1, 1))
    x = functional.batch_norm(
        x,
        *(own[f"{name}_bn.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")),
        eps=1e-5,
    )
    return torch.relu(x) if relu else x


def padding(size: int, window: int, stride: int, same: bool) -> tuple[int, int]:
    if not same:
        return window // 2, window // 2
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def same_pool(x: Tensor, window: int, stride: int) -> Tensor:
    pads = [padding(size, window, stride, same=True) for size in (x.shape[4], x.shape[3])]
    padded = functional.pad(x, (*pads[0], *pads[1]), value=-torch.inf)
    return functional.max_pool3d(padded, (1, window, window), (1, stride, stride))
