"""The network as a module that trains faster and in less memory than the reference module.

It runs the parameters of the reference module by a plan (`anetc.plan.passes.TRAINING`) for the size
of the clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anetc.engines.training.nodes import NodeCall, NodeSteps, node_steps
from anetc.engines.training.shared_statistics import is_distributed
from anetc.modules.names import NODES
from anetc.modules.network import NetworkModule, NetworkParts, build_network, check_inputs
from anetc.plan.lower import lower
from anetc.plan.passes import TRAINING, optimise

if TYPE_CHECKING:
    from anetdsl.ir import Network

_PLANS = 8
"""Number of clip sizes whose plans are kept."""


class TrainingModule(NetworkParts):
    """A network that is trained by optimised plans. It is called as the reference module is.

    It shares the parts of the reference module, so that the state dicts are equal by name, shape
    and value: weights files, optimisers and checkpoints fit both. The module changes only the
    memory layout of convolution weights, to `torch.channels_last_3d`.

    In training mode running averages are updated as in the reference module, except those of nodes
    that the sink does not need: these nodes do not run. With `checkpoint` a node saves only its
    inputs and recomputes all other values in the backward pass: this takes more time and less
    memory and gives the same numbers. Second derivatives are not supported. Under autocast, all
    computations have autocast's type.

    `synchronise` has an effect if `torch.distributed` is initialised for several processes. Then
    the statistics of a batch are those of all processes' clips, forward and backward, and so are
    the running averages: the result is that of one process with the whole batch. All processes
    must call the module in the same order, with clips of equal size; the numbers of clips may
    differ. The gradients of a process include the influence of its clips on the statistics of
    others. The sum, or mean, of the gradients over all processes is that of the whole batch. The
    collectives use the default group, with any backend for the tensors' device (gloo for the CPU):
    two per normalisation and step, and a third with `checkpoint`.
    """

    def __init__(
        self, reference: NetworkModule, *, checkpoint: bool = False, synchronise: bool = False
    ) -> None:
        super().__init__()
        self.network = reference.network
        self.nodes = reference.nodes
        self.nodes.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.sink = reference.sink
        self.checkpoint = checkpoint
        self.synchronise = synchronise
        self._plans: dict[tuple[int, ...], tuple[NodeSteps, ...]] = {}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits (N, classes) for inputs (N, C, T, H, W) by input name.

        Raise InputError for inputs that do not fit the network.
        """
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
        """Return the nodes of the plan for clips of `size` (T, H, W)."""
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
        """Return the outputs of a node. `values` are other nodes' outputs, `parts` the modules."""
        stored = []
        for name in node.stored:
            owner, _, leaf = name.rpartition(".")
            stored.append(getattr(parts[owner], leaf))
        norms = {name: _norm(name, parts[name]) for name in node.norms}
        batch = {name: norm.training for name, norm in norms.items()}
        batches = (norm.num_batches_tracked for norm in norms.values() if norm.training)
        if counters := [count for count in batches if count is not None]:
            torch._foreach_add_(counters, 1)
        shared = self.synchronise and is_distributed()
        call = NodeCall(node, frames, norms, batch, keep=not self.checkpoint, shared=shared)
        return call.run([*(values[name] for name in node.inputs), *stored])


def training_module(
    network: Network, *, seed: int = 0, checkpoint: bool = False, synchronise: bool = False
) -> TrainingModule:
    """Return the network as a module to train, with the initial weights of `build_network`.

    Raise AnetError for a network that fails the checks of the language.
    """
    reference = build_network(network, seed=seed)
    return TrainingModule(reference, checkpoint=checkpoint, synchronise=synchronise)


def _norm(name: str, part: nn.Module) -> nn.BatchNorm3d:
    if not isinstance(part, nn.BatchNorm3d):
        kind = type(part).__name__
        raise TypeError(f"{name}: {kind} is not supported; a TrainingModule needs nn.BatchNorm3d")
    return part


def _clip(x: Tensor, frames: int) -> Tensor:
    """Return (N*T, H, W, C) as (N, C, T, H, W), a view of the same memory."""
    return x.view(-1, frames, *x.shape[1:]).permute(0, 4, 1, 2, 3)


def _flat(x: Tensor) -> Tensor:
    """Return (N, C, T, H, W) as contiguous (N*T, H, W, C)."""
    return x.permute(0, 2, 3, 4, 1).contiguous().flatten(0, 1)
