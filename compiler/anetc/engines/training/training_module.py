"""The network as a module that trains faster and in less memory than the reference module.

It runs the parameters of the reference module by a plan (`anetc.plan.passes.TRAINING`) for the size
of the clips.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anetc.engines.training.native_nodes import (
    DTYPES,
    NativeCall,
    NativeNode,
    native_node,
)
from anetc.engines.training.nodes import NodeCall, NodeSteps, node_steps, sink_inputs
from anetc.engines.training.shared_statistics import is_distributed
from anetc.modules.network import (
    InputError,
    NetworkModule,
    NetworkParts,
    build_network,
    check_inputs,
)
from anetc.modules.sink import Sink
from anetc.native.library import library_or_none
from anetc.plan.lower import lower
from anetc.plan.passes import TRAINING, optimise
from anetc.plan.plan import Plan

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

    In float32 and float64, nodes run by native kernels (`anetc.native`) where a C++ compiler is
    installed, unless `native` is False. Other types, shared statistics and operations without a
    native kernel run step by step in Python.

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
        self,
        reference: NetworkModule,
        *,
        checkpoint: bool = False,
        synchronise: bool = False,
        native: bool = True,
    ) -> None:
        super().__init__()
        self.network = reference.network
        self.nodes = reference.nodes
        self.nodes.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.sink = reference.sink
        self.checkpoint = checkpoint
        self.synchronise = synchronise
        self._plans: dict[tuple[int, ...], tuple[NodeSteps, ...]] = {}
        self._sink_inputs: dict[tuple[int, ...], tuple[str, ...]] = {}
        self._library = library_or_none() if native else None
        self._native: dict[tuple[int, ...], dict[str, NativeNode]] = {}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits (N, classes) for inputs (N, C, T, H, W) by input name.

        Raise InputError for inputs that do not fit the network, or hold no clip to train on.
        """
        check_inputs(self.network, inputs)
        first = next(iter(inputs.values()))
        if self.training and not len(first):
            raise InputError("a batch to train on must hold at least one clip; it holds none")
        dtype = first.dtype
        device = first.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        frames = first.shape[2]
        values = {name: _flat(x.to(dtype)) for name, x in inputs.items()}
        for node in self._nodes(first.shape[2:]):
            with torch.profiler.record_function(node.node), torch.autocast(device, enabled=False):
                native = self._native[first.shape[2:]].get(node.node)
                values.update(self._run(node, native, values, frames))
        reads = self._sink_inputs[first.shape[2:]]
        # A lite sink itself would run its convolutions again.
        return Sink.forward(self.sink, [_clip(values[name], frames) for name in reads])

    def _nodes(self, size: tuple[int, ...]) -> tuple[NodeSteps, ...]:
        """Return the nodes of the plan for clips of `size` (T, H, W)."""
        if size not in self._plans:
            if len(self._plans) == _PLANS:
                oldest = next(iter(self._plans))
                del self._plans[oldest], self._native[oldest], self._sink_inputs[oldest]
            frames, height, width = size
            plan = lower(self.network, frames=frames, size=(height, width), mode="training")
            plan = optimise(plan, TRAINING)
            self._plans[size] = node_steps(plan)
            self._sink_inputs[size] = sink_inputs(plan)
            self._native[size] = self._native_nodes(plan, self._plans[size])
        return self._plans[size]

    def _run(
        self,
        node: NodeSteps,
        native: NativeNode | None,
        values: Mapping[str, Tensor],
        frames: int,
    ) -> dict[str, Tensor]:
        """Return the outputs of a node. `values` are other nodes' outputs."""
        norms = {name: _norm(self, name) for name in node.norms}
        stored = [_stored(self, name) for name in node.stored]
        batch = {name: norm.training for name, norm in norms.items()}
        batches = (norm.num_batches_tracked for norm in norms.values() if norm.training)
        if counters := [count for count in batches if count is not None]:
            torch._foreach_add_(counters, 1)
        shared = self.synchronise and is_distributed()
        tensors = [*(values[name] for name in node.inputs), *stored]
        if native is not None and not shared and _fit_kernels(native, tensors, norms):
            call = NativeCall.of(native, norms, batch, keep=not self.checkpoint)
            return call.run(tensors)
        by_steps = NodeCall(node, frames, norms, batch, keep=not self.checkpoint, shared=shared)
        return by_steps.run(tensors)

    def _native_nodes(self, plan: Plan, nodes: tuple[NodeSteps, ...]) -> dict[str, NativeNode]:
        """Return the nodes that the native kernels can run, by name."""
        if self._library is None:
            return {}
        stored = {
            **dict(self.named_parameters()),
            **dict(self.named_buffers()),
        }
        found = {}
        for node in nodes:
            native = native_node(node, plan, stored, self._library)
            if native is not None:
                found[node.node] = native
        return found


def training_module(
    network: Network, *, seed: int = 0, checkpoint: bool = False, synchronise: bool = False
) -> TrainingModule:
    """Return the network as a module to train, with the initial weights of `build_network`.

    Raise AnetError for a network that fails the checks of the language.
    """
    reference = build_network(network, seed=seed)
    return TrainingModule(reference, checkpoint=checkpoint, synchronise=synchronise)


def _fit_kernels(
    native: NativeNode, tensors: Sequence[Tensor], norms: Mapping[str, nn.BatchNorm3d]
) -> bool:
    """Return whether the native kernels can read these tensors: the kernels do not check them."""
    dtype = tensors[0].dtype
    stored = tensors[len(native.node.inputs) :]
    averages = [x for norm in norms.values() for x in (norm.running_mean, norm.running_var)]
    return (
        dtype in DTYPES
        and all(x.dtype == dtype and x.device.type == "cpu" for x in tensors)
        and all(x.numel() == size for x, size in zip(stored, native.stored_sizes.values()))
        and all(x is not None and x.dtype == dtype and x.is_contiguous() for x in averages)
    )


@functools.cache
def _path(name: str) -> tuple[str, ...]:
    """Return the keys that lead to a tensor or a module with this name."""
    return tuple(name.split("."))


def _part(network: nn.Module, path: tuple[str, ...]) -> nn.Module:
    """Return a part of the network. `get_submodule` takes several times as long."""
    part = network
    for key in path:
        part = part._modules[key]  # type: ignore[assignment]
    return part


def _stored(network: nn.Module, name: str) -> Tensor:
    """Return a parameter or a buffer."""
    *path, leaf = _path(name)
    part = _part(network, tuple(path))
    stored = part._parameters.get(leaf)
    return part._buffers[leaf] if stored is None else stored  # type: ignore[return-value]


def _norm(network: nn.Module, name: str) -> nn.BatchNorm3d:
    part = _part(network, _path(name))
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
