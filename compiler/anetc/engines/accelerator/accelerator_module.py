"""The network as a module that trains on an accelerator: few launches, no waiting, one graph.

It runs the parameters of the reference module by a plan for the size of the clips.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from anetc.engines.accelerator.accelerator_plan import (
    AcceleratorPlan,
    NodeOps,
    NormStatistics,
    accelerator_nodes,
    stored_name,
)
from anetc.engines.inductor import patched_scheduler
from anetc.engines.training.shared_statistics import is_distributed
from anetc.memory import is_out_of_memory
from anetc.modules.layers import MOMENTUM, BatchNorm
from anetc.modules.network import NetworkModule, NetworkParts, check_inputs
from anetc.plan.lower import lower
from anetc.plan.passes import ACCELERATOR, optimise
from anetc.process_family import processes_end_with_this_one

_PLANS = 8
"""Number of clip sizes whose plans are kept."""
_ONE_CELL = "batch normalisation cannot train on one cell; use larger clips or a larger batch"

Tensors = Mapping[str, Tensor]
Step = Callable[[Tensors, Tensors, Tensor], Tensor]
"""Function from inputs, stored tensors and momentum to the logits."""
Compiler = Callable[[Step], Step]


class AcceleratorModule(NetworkParts):
    """A network that is trained by ordinary operations. It is called as the reference module is.

    It shares the parts of the reference module, so that the state dicts are equal by name, shape
    and value: weights files, optimisers and checkpoints fit both. The module changes only the
    memory layout of convolution weights, to `torch.channels_last_3d`.

    In training mode running averages are updated as in the reference module, except those of nodes
    that the sink does not need: these nodes do not run. All normalisations have one `momentum`,
    which is a tensor: a change of it neither waits for the device nor compiles anything again.
    With `checkpoint` a node saves only its inputs and recomputes all other values in the backward
    pass. With `synchronise` and several processes the statistics of a batch are those of all
    processes' clips. Under autocast, convolutions and sums have autocast's type, and statistics
    and the classifier float32.

    With `compiled` a step is one graph, which torch.compile makes at the first call for each clip
    size. If the compiler fails, the module warns once and goes on without it.
    """

    def __init__(
        self,
        reference: NetworkModule,
        *,
        checkpoint: bool = False,
        synchronise: bool = False,
        compiled: bool = False,
        deterministic: bool = False,
        compiler: Compiler | None = None,
    ) -> None:
        super().__init__()
        self.network = reference.network
        self.nodes = reference.nodes
        self.nodes.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.sink = reference.sink
        self.checkpoint = checkpoint
        self.synchronise = synchronise
        self.compiled = compiled
        self.deterministic = deterministic
        self._compiler = compiler or _inductor
        self._nodes: dict[tuple[int, ...], tuple[NodeOps, ...]] = {}
        self._steps: dict[tuple[object, ...], Step] = {}
        self._norms = {
            name: part for name, part in self.named_modules() if isinstance(part, BatchNorm)
        }
        # The dicts of the parts, not the tensors, which `to` and others replace.
        self._places: list[tuple[str, dict[str, Tensor | None], str]] = [
            (f"{name}.{leaf}", tensors, leaf)
            for name, part in self.named_modules()
            for tensors in (part._parameters, part._buffers)
            for leaf in tensors
            if leaf != MOMENTUM
        ]

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits (N, classes) for inputs (N, C, T, H, W) by input name.

        Raise InputError for inputs that do not fit the network, and ValueError for a batch in which
        a normalisation has a single cell.
        """
        check_inputs(self.network, inputs)
        first = next(iter(inputs.values()))
        kind = first.device.type
        autocast = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if autocast else first.dtype
        step = self._step(tuple(first.shape), dtype)
        with torch.autocast(kind, enabled=False):
            return step(inputs, self._stored(), self._momentum())

    def _step(self, shape: tuple[int, ...], dtype: torch.dtype) -> Step:
        """Return the function that runs a step on clips of this shape (N, C, T, H, W)."""
        size = shape[2:]
        if size not in self._nodes:
            if len(self._nodes) == _PLANS:
                self._nodes.clear()
                self._steps.clear()
            frames, height, width = size
            plan = lower(self.network, frames=frames, size=(height, width), mode="training")
            self._nodes[size] = accelerator_nodes(optimise(plan, ACCELERATOR))
        nodes = self._nodes[size]
        batch = frozenset(name for name, norm in self._norms.items() if norm.training)
        shared = self.synchronise and is_distributed()
        grad = torch.is_grad_enabled()
        key = (size, dtype, batch, shared, grad, self.compiled)
        if key not in self._steps:
            run = AcceleratorPlan(
                nodes,
                nodes[-1].outputs[0],
                size[0],
                {name: norm.eps for name, norm in self._norms.items()},
                batch,
                shared,
                self.checkpoint and grad,
                self.deterministic,
            )
            self._steps[key] = self._made(run, dtype)
        if not shared and shape[0] == 1:
            _check_cells(nodes, batch)
        return self._steps[key]

    def _made(self, plan: AcceleratorPlan, dtype: torch.dtype) -> Step:
        """Return the function that runs a step, compiled if that is wanted and works."""

        def step(inputs: Tensors, stored: Tensors, momentum: Tensor) -> Tensor:
            logits, statistics = plan.run(inputs, stored, dtype)
            _update_averages(statistics, stored, plan.epsilons, momentum)
            return logits

        if not self.compiled:
            return step
        compiled = self._compiler(step)
        works = False

        def first_compiled(inputs: Tensors, stored: Tensors, momentum: Tensor) -> Tensor:
            nonlocal works
            if works:
                return compiled(inputs, stored, momentum)
            if not self.compiled:
                return step(inputs, stored, momentum)
            try:
                with _compiling():
                    result = compiled(inputs, stored, momentum)
            except Exception as error:  # a compiler of others may raise anything
                if is_out_of_memory(error):
                    raise
                self.compiled = False
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                warnings.warn(
                    f"torch.compile failed, so training goes on without it: {reason[:200]}",
                    stacklevel=2,
                )
                return step(inputs, stored, momentum)
            works = True
            return result

        return first_compiled

    def _stored(self) -> dict[str, Tensor]:
        """Return the parameters and buffers by name, without the momenta."""
        found = ((name, tensors[leaf]) for name, tensors, leaf in self._places)
        return {name: tensor for name, tensor in found if tensor is not None}

    def _momentum(self) -> Tensor:
        """Return the momentum of all normalisations, after making it one tensor.

        It has the type of the weights. Dynamo would take one in float64 on a CPU for a variable
        number, and compile again.

        Raise ValueError if they differ.
        """
        norms = tuple(self._norms.values())
        if not norms:  # only stems of object inputs
            return torch.zeros_like(self.sink.fc.weight[0, 0])
        shared = norms[0].momentum_tensor
        if any(norm.momentum_tensor is not shared for norm in norms):
            if len({norm.momentum for norm in norms}) > 1:
                raise ValueError("all batch normalisations must have the same momentum")
            for norm in norms:
                norm.momentum_tensor = shared
        return shared.to(self.sink.fc.weight.dtype)


@torch.no_grad()
def _update_averages(
    statistics: Sequence[NormStatistics],
    stored: Tensors,
    epsilons: Mapping[str, float],
    momentum: Tensor,
) -> None:
    """Move the running averages towards the statistics of a batch, in few launches."""
    if not statistics:
        return
    variances = torch._foreach_pow([found.inverse for found in statistics], -2)
    torch._foreach_sub_(variances, [epsilons[found.norm] for found in statistics])
    unbiased: list[Any] = [found.cells / (found.cells - 1) for found in statistics]
    if isinstance(unbiased[0], Tensor):
        unbiased = [factor.to(variances[0].dtype) for factor in unbiased]
    torch._foreach_mul_(variances, unbiased)
    averages = [
        stored[f"{found.norm}.{leaf}"]
        for leaf in ("running_mean", "running_var")
        for found in statistics
    ]
    changes = torch._foreach_sub([*(found.mean for found in statistics), *variances], averages)
    torch._foreach_mul_(changes, momentum)
    torch._foreach_add_(averages, changes)
    torch._foreach_add_([stored[f"{found.norm}.num_batches_tracked"] for found in statistics], 1)


def _check_cells(nodes: Sequence[NodeOps], batch: frozenset[str]) -> None:
    """Raise ValueError if a normalisation has one cell in a clip, and so in a batch of one."""
    for node in nodes:
        for op in node.ops:
            if op.kind == "norm" and math.prod(op.shape[1:]) == 1 and stored_name(op) in batch:
                raise ValueError(_ONE_CELL)


def _inductor(step: Step) -> Step:
    compiled: Step = torch.compile(step, fullgraph=True, dynamic=False)
    return compiled


@contextmanager
def _compiling() -> Iterator[None]:
    """Compile forward and backward pass within the block, not at the first backward pass.

    Numbers such as epsilons are constants. As variables they would be found to be constant only
    after a compilation, and that would begin again.
    """
    from torch._dynamo import config as tracing
    from torch._functorch import config as gradients

    with (
        tracing.patch(specialize_float=True),
        gradients.patch(force_non_lazy_backward_lowering=True),
        patched_scheduler(),
        processes_end_with_this_one(),
    ):
        yield
