"""The reference module of a whole network, and `build_network`, which creates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, overload

import attrs
import torch
from torch import Tensor, nn

from anetc.modules.attention import PeerAttention, SelfAttention, frame_vectors
from anetc.modules.connection import Connection, Source
from anetc.modules.initial import initialise
from anetc.modules.lite import LiteSink, LiteStem, lite_modules
from anetc.modules.names import module_key
from anetc.modules.residual import Block, residual_modules
from anetc.modules.sink import Sink
from anetc.modules.stem import ObjectStem, Stem
from anetdsl.api import parse

if TYPE_CHECKING:
    from collections.abc import Collection

    from anetdsl.ir import Network, Node


class InputError(ValueError):
    """The inputs of a call do not fit the network, or a requested node does not exist."""


class NetworkParts(nn.Module):
    """The weights of a network: one module per node in `nodes`, and `sink`.

    The reference module and the engines are such modules. Their state dicts have equal names
    (`anetc.modules.names`), so that weights files fit all of them.
    """

    network: Network
    nodes: nn.ModuleDict
    sink: Sink


class NetworkModule(NetworkParts):
    """The reference module: a network in plain PyTorch, node by node.

    Called with a dict of tensors by input name, (N, channels, T, H, W), it returns logits
    (N, classes). The network must have passed its checks.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.nodes = nn.ModuleDict()
        widths, sink = network.out_channels(), network.sink
        for node in network.topological_nodes():
            self.nodes[module_key(node.name)] = _build(network, node, widths)
        read = [widths[edge.source] for edge in sink.inputs]
        if network.blocks == "lite":
            self.sink = LiteSink(read[0], sink.classes, sink.head)
        else:
            self.sink = Sink(read, sink.classes, sink.combine, sink.head)

    @overload
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor: ...

    @overload
    def forward(
        self, inputs: Mapping[str, Tensor], outputs: Collection[str]
    ) -> tuple[Tensor, dict[str, Tensor]]: ...

    def forward(
        self, inputs: Mapping[str, Tensor], outputs: Collection[str] = ()
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Return the logits (N, classes) and, with `outputs`, the outputs of these nodes by name.

        `inputs` holds a tensor (N, channels, T, H, W) for each input of the network, with equal N,
        T, H and W. The output of a node with total stride s is (N, C, T, ceil(H/s), ceil(W/s)).
        Raise InputError for inputs or node names that do not fit the network.
        """
        check_inputs(self.network, inputs)
        check_outputs(self.network, outputs)
        values: dict[str, Tensor] = {}
        vectors: dict[str, Tensor] = {}
        for node in self.network.topological_nodes():
            block = self.nodes[module_key(node.name)]
            if node.is_stem:
                values[node.name] = block(inputs[node.inputs[0].source])
            else:
                values[node.name] = block([values[edge.source] for edge in node.inputs], vectors)
            if self.network.attention == "peer":
                vectors[node.name] = frame_vectors(values[node.name])
        logits: Tensor = self.sink([values[edge.source] for edge in self.network.sink.inputs])
        return (logits, {name: values[name] for name in outputs}) if outputs else logits


def build_network(network: Network, *, seed: int = 0) -> NetworkModule:
    """Return the reference module on the CPU, in training mode, with weights drawn from `seed`.

    An edge with a weight in the text starts from that weight. Equal seeds give equal weights in
    equal nodes, even if the networks differ elsewhere. The global random state does not change.
    Raise AnetError, which lists all errors, for a network that fails the checks of the language.
    """
    # The text is checked, because a Network made in Python has passed no check.
    parse(str(attrs.evolve(network, origin=None, score=None)), f"network {network.name}")
    # The constructors of torch.nn draw weights, too, from the global random state.
    with (
        torch.device("cpu"),
        torch.inference_mode(False),
        torch.random.fork_rng(devices=[]),
    ):
        model = NetworkModule(network)
        initialise(model, seed)
    return model


def check_inputs(network: Network, inputs: Mapping[str, Tensor]) -> None:
    """Raise InputError, naming the input, unless the network can take these inputs."""
    expected = [value.name for value in network.inputs]
    if not isinstance(inputs, Mapping):
        raise InputError(
            f"network {network.name} takes a dict of tensors by input name, "
            f"{', '.join(expected)}; got {type(inputs).__name__}"
        )
    for name in [*expected, *inputs]:
        if (name in inputs) != (name in expected):
            problem = f"needs an input {name!r}" if name in expected else f"has no input {name!r}"
            raise InputError(
                f"network {network.name} {problem}: expected {', '.join(expected)}; "
                f"got {', '.join(map(str, inputs)) or 'none'}"
            )
    first = inputs[expected[0]].shape
    for value in network.inputs:
        tensor = inputs[value.name]
        got = f"got {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        if tensor.ndim != 5 or tensor.shape[1] != value.channels or 0 in tensor.shape[2:]:
            raise InputError(f"input {value.name!r} must be (N, {value.channels}, T, H, W); {got}")
        if not tensor.is_floating_point():
            raise InputError(f"input {value.name!r} must hold floating-point numbers; {got}")
        if (tensor.shape[0], *tensor.shape[2:]) != (first[0], *first[2:]):
            raise InputError(
                f"input {value.name!r} must have the N, T, H and W of input {expected[0]!r}, "
                f"{tuple(first)}; {got}"
            )


def check_outputs(network: Network, outputs: Collection[str]) -> None:
    """Raise InputError unless all names are nodes of the network."""
    known = [node.name for node in network.nodes]
    for name in outputs:
        if name not in known:
            raise InputError(
                f"network {network.name} has no node {name!r}; its nodes are {', '.join(known)}"
            )


def _build(network: Network, node: Node, widths: Mapping[str, int]) -> nn.Module:
    """Return the module of a node; `widths` holds the output channels of each node."""
    if node.is_stem:
        source = network.input(node.inputs[0].source)
        if source.kind == "object":
            return ObjectStem()
        if network.blocks == "lite":
            return LiteStem(source.channels, node.width, node.rate)
        return Stem(source.channels, node.width, source.kind, node.rate)
    fuse = _connection(network, node, widths)
    modules = network.modules[node.level - 1]
    if network.blocks == "lite":
        layers = lite_modules(fuse.out_channels, node.triple, modules, node.rate, node.stride)
    else:
        layers = residual_modules(
            fuse.out_channels,
            node.width,
            network.widths[node.level - 1],
            modules,
            node.rate,
            node.stride,
        )
    return Block(fuse, layers)


def _connection(network: Network, node: Node, widths: Mapping[str, int]) -> Connection:
    """Return the connection of a block, with the attention of the network."""
    strides = network.total_strides()
    sources = [
        Source(widths[edge.source], strides[edge.source], edge.weight) for edge in node.inputs
    ]
    channels = [source.channels for source in sources]
    attention: SelfAttention | PeerAttention | None = None
    if network.attention == "self":
        attention = SelfAttention(channels)
    elif network.attention == "peer":
        peers = {peer.name: widths[peer.name] for peer in network.peers_by_level()[node.level]}
        shares = {peer.source: peer.weight for peer in node.peers if peer.weight is not None}
        attention = PeerAttention(channels, peers, shares)
    return Connection(
        sources,
        learned=network.edges == "learned",
        out_channels=network.fused_channels()[node.name],
        attention=attention,
    )
