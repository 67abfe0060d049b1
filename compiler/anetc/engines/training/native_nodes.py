"""The nodes of a training plan run by the native kernels, with one call per node and direction.

A node is one autograd Function, as in `nodes`. The values for the backward pass are in one block of
memory per node. All other intermediate results are in a block that exists during the call.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn

from anetc.engines.training.native_program import INSTRUCTION_SIZE, Program, UnsupportedByKernels
from anetc.engines.training.native_steps import (
    write_backward,
    write_forward,
    write_result,
)
from anetc.engines.training.node_writer import NodeWriter, Size
from anetc.engines.training.nodes import NodeSteps
from anetc.engines.training.norms import ONE_CELL, momentum_of
from anetc.engines.training.steps import norm_of
from anetc.native.library import NativeLibrary
from anetc.plan.plan import Plan

DTYPES = (torch.float32, torch.float64)
"""Types of numbers that the kernels support."""
_PROGRAMS = 32
"""Number of programs that a node keeps."""


@attrs.define
class NativeNode:
    """A node and its programs."""

    node: NodeSteps
    shapes: Mapping[str, tuple[int, ...]]
    """Shapes (C, T, H, W) of the node's results and inputs."""
    stored_sizes: Mapping[str, int]
    library: NativeLibrary
    programs: dict[tuple[Any, ...], Program] = attrs.Factory(dict)
    """Programs by direction, number of clips, size of numbers, and what they keep or compute."""

    def forward_program(self, clips: int, itemsize: int, *, keep: bool) -> Program:
        """Return the program of the forward pass."""
        key = "forward", clips, itemsize, keep
        if key not in self.programs:
            state = self._writer(clips)
            state.keep, state.update = keep, True
            for name in self.node.inputs:
                state.given(name, state.sizes[name].numbers)
            write_forward(state)
            self._add(key, state.writer.program(itemsize))
        return self.programs[key]

    def backward_program(
        self,
        clips: int,
        itemsize: int,
        *,
        keep: bool,
        needed: frozenset[str],
        given: tuple[str, ...],
    ) -> Program:
        """Return the program of the backward pass.

        `needed` are the tensors whose gradients are wanted, and `given` the outputs that have
        gradients.
        """
        key = "backward", clips, itemsize, keep, needed, given
        if key not in self.programs:
            state = self._writer(clips)
            state.wanted = _with_results(self.node, needed)
            for name in self.node.inputs:
                state.given(name, state.sizes[name].numbers)
            if keep:
                self._add_saved(state, clips, itemsize)
            else:
                write_forward(state)
            for name in given:
                size = state.sizes[name].numbers
                state.grads[name] = state.writer.buffer("given", f"given/{name}", size)
                state.borrowed.add(name)
            write_backward(state)
            self._add(key, state.writer.program(itemsize))
        return self.programs[key]

    def _add(self, key: tuple[Any, ...], program: Program) -> None:
        if len(self.programs) == _PROGRAMS:
            self.programs.clear()
        self.programs[key] = program

    def _add_saved(self, state: NodeWriter, clips: int, itemsize: int) -> None:
        """Add the saved values, with the places that they have in the forward program."""
        for name, size, indices in self.forward_program(clips, itemsize, keep=True).saved:
            state.values[name] = state.writer.buffer("saved", name, size, indices=indices)
        for name in self.node.outputs:
            if name in self.node.kept:
                state.given(name, state.sizes[name].numbers)

    def _writer(self, clips: int) -> NodeWriter:
        sizes = {name: Size(clips, *shape) for name, shape in self.shapes.items()}
        return NodeWriter(self.node, sizes, self.stored_sizes, write_result)


def native_node(
    node: NodeSteps,
    plan: Plan,
    stored: Mapping[str, Tensor],
    library: NativeLibrary,
) -> NativeNode | None:
    """Return a node with native programs, or None if the kernels do not support it."""
    assert library.instruction_size == INSTRUCTION_SIZE
    names = {*node.inputs, *(step.op.name for step in node.steps)}
    shapes = {op.name: op.shape for op in plan.ops if op.name in names}
    if any(len(shape) != 4 for shape in shapes.values()) or not stored.keys() >= set(node.stored):
        return None
    sizes = {name: stored[name].numel() for name in node.stored}
    native = NativeNode(node, shapes, sizes, library)
    needed = frozenset((*node.inputs, *node.stored))
    try:
        native.backward_program(1, 4, keep=False, needed=needed, given=node.outputs)
        native.forward_program(1, 4, keep=True)
    except UnsupportedByKernels:
        return None
    finally:
        native.programs.clear()
    return native


@attrs.frozen
class NativeCall:
    """The arguments of one call of a node, except its tensors."""

    native: NativeNode
    norms: Mapping[str, nn.BatchNorm3d]
    batch: Mapping[str, bool]
    """True, by name, for normalisations that use the batch's statistics."""
    keep: bool
    """True to save values for the backward pass, False to recompute all of them from the inputs."""
    settings: np.ndarray
    """Epsilon, momentum and `batch` of each normalisation."""

    @classmethod
    def of(
        cls,
        native: NativeNode,
        norms: Mapping[str, nn.BatchNorm3d],
        batch: Mapping[str, bool],
        *,
        keep: bool,
    ) -> NativeCall:
        """Return the call of a node in this state of its normalisations."""
        settings = [
            (norm.eps, momentum_of(norm) if batch[name] else 0.0, batch[name])
            for name, norm in norms.items()
        ]
        return cls(native, norms, batch, keep, np.array(settings, np.float64))

    def run(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the outputs; `tensors` are the inputs and the stored tensors, in order."""
        self._check_cells(tensors)
        tensors = [_in_kernel_layout(x) for x in tensors]
        if torch.is_grad_enabled():
            outputs = _NativeFunction.apply(self, *tensors)  # type: ignore[no-untyped-call]
            return dict(zip(self.native.node.outputs, outputs))
        outputs, _ = self.forward(tensors, keep=False)
        return outputs

    def forward(
        self, tensors: Sequence[Tensor], *, keep: bool
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the outputs, and the block of saved values if `keep`."""
        node, first = self.native.node, tensors[0]
        clips = self._clips(first)
        program = self.native.forward_program(clips, first.itemsize, keep=keep)
        outputs = {}
        for name in node.outputs:
            channels, frames, height, width = self.native.shapes[name]
            outputs[name] = first.new_empty((clips * frames, height, width, channels))
        saved = torch.empty(program.saved_bytes, dtype=torch.uint8) if keep else None
        given = self._given(tensors, averages=True)
        self._execute(program, given, outputs, saved, first.dtype)
        return outputs, saved

    def backward(
        self,
        tensors: Sequence[Tensor],
        outputs: Mapping[str, Tensor],
        saved: Tensor | None,
        grads: Mapping[str, Tensor],
        needed: frozenset[str],
    ) -> dict[str, Tensor]:
        """Return the gradients of the inputs and stored tensors in `needed`."""
        first = tensors[0]
        program = self.native.backward_program(
            self._clips(first),
            first.itemsize,
            keep=saved is not None,
            needed=needed,
            given=tuple(grads),
        )
        given = self._given(tensors, averages=saved is None)
        results = {
            name: torch.empty_like(given[name.removeprefix("grad/")]) for name in program.results
        }
        given.update(outputs)
        given.update((f"given/{name}", grad.contiguous()) for name, grad in grads.items())
        self._execute(program, given, results, saved, first.dtype)
        return {name.removeprefix("grad/"): result for name, result in results.items()}

    def _given(self, tensors: Iterable[Tensor], *, averages: bool) -> dict[str, Tensor]:
        """Return the inputs, the stored tensors and, with `averages`, the running averages."""
        given = dict(zip((*self.native.node.inputs, *self.native.node.stored), tensors))
        if averages:
            for name, norm in self.norms.items():
                assert norm.running_mean is not None
                assert norm.running_var is not None
                given[f"{name}.running_mean"] = norm.running_mean
                given[f"{name}.running_var"] = norm.running_var
        return given

    def _clips(self, first: Tensor) -> int:
        return len(first) // self.native.shapes[self.native.node.inputs[0]][1]

    def _check_cells(self, tensors: Sequence[Tensor]) -> None:
        """Raise ValueError if a batch has only one cell for a normalisation."""
        if self._clips(tensors[0]) != 1:
            return
        for step in self.native.node.steps:
            norm = norm_of(step)
            if norm and self.batch[norm.norm] and math.prod(self.native.shapes[norm.x][1:]) == 1:
                raise ValueError(ONE_CELL)

    def _execute(
        self,
        program: Program,
        given: Mapping[str, Tensor],
        results: Mapping[str, Tensor],
        saved: Tensor | None,
        dtype: torch.dtype,
    ) -> None:
        scratch = torch.empty(program.scratch_bytes, dtype=torch.uint8)
        blocks = (0 if saved is None else saved.data_ptr(), scratch.data_ptr(), 0)
        addresses = np.array(blocks, np.int64)[program.blocks] + program.offsets
        addresses[program.external] = [
            *[given[name].data_ptr() for name in program.given],
            *[results[name].data_ptr() for name in program.results],
        ]
        library = self.native.library
        run = library.run_float if dtype == torch.float32 else library.run_double
        run(
            program.instructions.ctypes.data,
            len(program.instructions),
            addresses.ctypes.data,
            self.settings.ctypes.data,
            torch.get_num_threads(),
        )


class _NativeFunction(torch.autograd.Function):
    """A node as a function from inputs and stored tensors to outputs."""

    @staticmethod
    def forward(ctx: Any, call: NativeCall, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, saved = call.forward(tensors, keep=call.keep)
        node = call.native.node
        kept = [outputs[name] for name in node.outputs if name in node.kept] if call.keep else []
        ctx.call = call
        ctx.names = (*node.inputs, *node.stored)
        ctx.save_for_backward(*tensors, *kept, *([] if saved is None else [saved]))
        ctx.set_materialize_grads(False)
        return tuple(outputs[name] for name in node.outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        call: NativeCall = ctx.call
        node, saved = call.native.node, ctx.saved_tensors
        names = ctx.names
        tensors, rest = saved[: len(names)], saved[len(names) :]
        kept = [name for name in node.outputs if name in node.kept] if call.keep else []
        outputs = dict(zip(kept, rest))
        needed = frozenset(name for name, need in zip(names, ctx.needs_input_grad[1:]) if need)
        grads = {name: grad for name, grad in zip(node.outputs, given) if grad is not None}
        block = rest[-1] if call.keep else None
        results = call.backward(tensors, outputs, block, grads, needed)
        return (None, *(results.get(name) for name in names))


def _with_results(node: NodeSteps, needed: frozenset[str]) -> frozenset[str]:
    """Return `needed` and the results that depend on it."""
    wanted = set(needed)
    for step in node.steps:
        if not wanted.isdisjoint((*step.op.args, *step.stored)):
            wanted.add(step.op.name)
    return frozenset(wanted)


def _in_kernel_layout(x: Tensor) -> Tensor:
    """Return x with the channels last in memory: x itself if it has that layout."""
    layout = torch.channels_last_3d if x.dim() == 5 else torch.contiguous_format
    return x if x.is_contiguous(memory_format=layout) else x.contiguous(memory_format=layout)
