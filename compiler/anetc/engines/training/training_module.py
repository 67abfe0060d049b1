"""The network as a module that trains faster and in less memory than the plain one.

It runs the plain module's parameters by a plan (`anetc.plan.passes.TRAINING`), made for the size of
the clips that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anetc.engines.training.nodes import Call, NodeSteps, node_steps
from anetc.engines.training.together import are_several
from anetc.modules.names import NODES
from anetc.modules.network import NetworkModule, NetworkParts, build_network, check_inputs
from anetc.plan.lower import lower
from anetc.plan.passes import TRAINING, optimise

if TYPE_CHECKING:
    from anetdsl.ir import Network

_PLANS = 8
"""Sizes of clips whose plans are kept."""


class TrainingModule(NetworkParts):
    """Runs a plain module's parameters by a plan. Called as the plain module is.

    It has the plain module's parts, not copies: `state_dict` is equal by name, shape and value, so
    that weights files, optimisers and checkpoints do not know the two apart. Only in memory are the
    input channels of a convolution's weight put together (`torch.channels_last_3d`).

    In training mode running averages move as the plain module's do, except those of nodes that the
    sink does not need, which are not run. With `checkpoint` a node keeps nothing but its inputs and
    computes the rest again on the way back: more time for less memory, the same numbers. Gradients
    of gradients are not defined. Under autocast it computes in autocast's type throughout.

    With `synchronise`, once `torch.distributed` is initialised for several processes, a batch's
    statistics are those of all processes' clips together, forward and back, as of one process with
    the whole batch; so are the running averages. Each process then calls it in the same order,
    with clips of equal size (their number may differ), and its gradients are of its own loss and,
    through the statistics, of the others': their sum, or mean, over processes is the whole batch's.
    Collectives run in the default group, on any backend that takes the tensors' device (gloo for
    the CPU); that is two a normalisation and step, one of them once more with `checkpoint`.
    """

    def __init__(
        self, plain: NetworkModule, *, checkpoint: bool = False, synchronise: bool = False
    ) -> None:
        super().__init__()
        self.network = plain.network
        self.nodes = plain.nodes
        self.nodes.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.sink = plain.sink
        self.checkpoint = checkpoint
        self.synchronise = synchronise
        self._plans: dict[tuple[int, ...], tuple[NodeSteps, ...]] = {}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The logits (N, classes) for inputs (N, C, T, H, W). Raises InputError."""
        check_inputs(self.network, inputs)
        first = next(iter(inputs.values()))
        dtype = first.dtype
        device = first.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        frames = first.shape[2]
        values = {name: _flat(x.to(dtype)) for name, x in inputs.items()}
        parts = dict(self.nodes.named_modules(prefix=NODES))
        for node in self._nodes(first.shape[2:]):
            with torch.profiler.record_function(node.node), torch.autocast(device, enabled=False):
                values.update(self._run(node, parts, values, frames))
        reads = (values[edge.source] for edge in self.network.sink.inputs)
        logits: Tensor = self.sink([_clip(x, frames) for x in reads])
        return logits

    def _nodes(self, size: tuple[int, ...]) -> tuple[NodeSteps, ...]:
        """The nodes of the plan for clips of `size` (T, H, W)."""
        if size not in self._plans:
            if len(self._plans) == _PLANS:
                del self._plans[next(iter(self._plans))]
            frames, height, width = size
            plan = lower(self.network, frames=frames, size=(height, width), mode="training")
            self._plans[size] = node_steps(optimise(plan, TRAINING))
        return self._plans[size]

    def _run(
        self,
        node: NodeSteps,
        parts: Mapping[str, nn.Module],
        values: Mapping[str, Tensor],
        frames: int,
    ) -> dict[str, Tensor]:
        """A node's outputs, of `values` that other nodes gave; `parts` are the modules by name."""
        stored = []
        for name in node.stored:
            owner, _, leaf = name.rpartition(".")
            stored.append(getattr(parts[owner], leaf))
        norms = {name: _norm(name, parts[name]) for name in node.norms}
        batch = {name: norm.training for name, norm in norms.items()}
        batches = (norm.num_batches_tracked for norm in norms.values() if norm.training)
        if counters := [count for count in batches if count is not None]:
            torch._foreach_add_(counters, 1)
        shared = self.synchronise and are_several()
        call = Call(node, frames, norms, batch, keep=not self.checkpoint, shared=shared)
        return call.run([*(values[name] for name in node.inputs), *stored])


def training_module(
    network: Network, *, seed: int = 0, checkpoint: bool = False, synchronise: bool = False
) -> TrainingModule:
    """The network as a module to train, with the first weights that `build_network` draws.

    Raises AnetError for a network that the language's checks refuse.
    """
    plain = build_network(network, seed=seed)
    return TrainingModule(plain, checkpoint=checkpoint, synchronise=synchronise)


def _norm(name: str, part: nn.Module) -> nn.BatchNorm3d:
    if type(part) is not nn.BatchNorm3d:
        kind = type(part).__name__
        raise TypeError(f"{name} is a {kind}; a TrainingModule runs nn.BatchNorm3d alone")
    return part


def _clip(x: Tensor, frames: int) -> Tensor:
    """(N*T, H, W, C) as (N, C, T, H, W), the same memory."""
    return x.view(-1, frames, *x.shape[1:]).permute(0, 4, 1, 2, 3)


def _flat(x: Tensor) -> Tensor:
    """(N, C, T, H, W) as (N*T, H, W, C), contiguous."""
    return x.permute(0, 2, 3, 4, 1).contiguous().flatten(0, 1)
