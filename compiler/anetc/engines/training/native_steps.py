"""Write the forward and backward steps of a node as instructions of the native kernels.

Each function follows the step of the same kind in `steps`. To add an operation: write its kernel
(`compiler/anetc/native/source/`), add it to `OPERATIONS` and to the interpreter, and add a case to
`write_result` and `write_backward`. A node with an operation that has no case here runs its Python
steps.
"""

from __future__ import annotations

from anetc.engines.training.native_program import UnsupportedByKernels
from anetc.engines.training.node_writer import NodeWriter
from anetc.engines.training.steps import (
    AddStep,
    ConvStep,
    NormStep,
    PoolStep,
    SumStep,
    norm_of,
)
from anetc.engines.training.tape import Normalisation, TapeStep
from anetc.modules.layers import same_padding

_MAX_TAPS = 16
_MAX_WINDOW = 15
_NO_MASK, _OWN_MASK, _RESULT_MASK = range(3)


def write_forward(state: NodeWriter) -> None:
    """Write all steps forward."""
    for step, last in zip(state.node.steps, state.node.freed):
        norm = norm_of(step)
        if norm:
            _write_statistics(state, norm)
        write_result(state, step)
        state.values.pop(f"{step.op.name}/activated", None)
        if not state.update:
            for name in last:
                del state.values[name]


def write_result(state: NodeWriter, step: TapeStep) -> None:
    """Write the result of a step, computed with the saved statistics."""
    name, writer = step.op.name, state.writer
    numbers = state.sizes[name].numbers
    match step:
        case ConvStep():
            add = state.read(step.op.args[1]) if len(step.op.args) > 1 else None
            x, weight = _conv_input(state, step), state.stored(step.weight)
            scratch = writer.scratch(state.stored_sizes[step.weight])
            buffers = (x, weight, state.made(name, numbers), add, scratch)
            writer.write("convolve", buffers, _geometry(state, step))
        case NormStep():
            if len(step.op.args) > 2:
                raise UnsupportedByKernels("a normalisation with two summands")
            add = state.read(step.op.args[1]) if len(step.op.args) > 1 else None
            _write_normalise(
                state, step.norm, state.made(name, numbers), add=add, relu=step.op.relu
            )
        case SumStep():
            _write_sum(state, step)
        case AddStep():
            left, right = (state.read(arg) for arg in step.op.args)
            writer.write("add", (left, right, state.made(name, numbers)), (numbers,))
        case PoolStep():
            x = state.read(step.op.args[0])
            y = state.made(name, numbers)
            indices = state.made(f"{name}/indices", numbers, indices=True)
            norm = step.input_norm
            parts = _norm_buffers(state, norm)[1:] if norm else ()
            number = state.norm_number(norm) if norm else 0
            writer.write(
                "pool",
                (x, y, indices, *parts),
                (*_pool_sizes(state, step), norm is not None, number),
            )
        case _:
            raise UnsupportedByKernels(step.op.kind)


def write_backward(state: NodeWriter) -> None:
    """Write all steps backward. The gradients of the outputs are in `state.grads`."""
    for step in reversed(state.node.steps):
        name = step.op.name
        owned = name not in state.borrowed
        grad = state.grads.pop(name, None)
        if grad is not None:
            match step:
                case ConvStep():
                    _conv_backward(state, step, grad, owned=owned)
                case NormStep():
                    _norm_backward(state, step, grad, owned=owned)
                case SumStep():
                    _sum_backward(state, step, grad)
                case AddStep():
                    for arg in step.op.args:
                        state.add_grad(arg, grad, borrowed=True)
                case PoolStep():
                    _pool_backward(state, step, grad)
        state.values.pop(f"{name}/activated", None)
        if name in state.node.recomputed:
            state.values.pop(name, None)
    for name in state.node.inputs:
        buffer = state.grads.get(name)
        if buffer is not None and state.writer.buffers[buffer].place != "result":
            to, size = state.new_grad(name), state.sizes[name].numbers
            state.writer.write("add", (buffer, None, to), (size,))
            state.grads[name] = to


def _norm_buffers(state: NodeWriter, norm: Normalisation) -> tuple[int, int, int, int, int]:
    """Return the buffers of input, weight, bias, mean and variance."""
    x, weight, bias = state.read(norm.x), *(state.stored(name) for name in norm.stored)
    channels = state.sizes[norm.x].channels
    mean, variance = (state.given(name, channels) for name in norm.keeps[1:])
    return x, weight, bias, mean, variance


def _write_statistics(state: NodeWriter, norm: Normalisation) -> None:
    size = state.sizes[norm.x]
    x = state.read(norm.x)
    mean, variance = (state.made(name, size.channels) for name in norm.keeps[1:])
    averages = (
        state.given(f"{norm.norm}.{kind}", size.channels)
        for kind in ("running_mean", "running_var")
    )
    arguments = (size.rows, size.channels, state.norm_number(norm), state.update)
    state.writer.write("statistics", (x, mean, variance, *averages), arguments)


def _write_normalise(
    state: NodeWriter, norm: Normalisation, to: int, *, add: int | None, relu: bool
) -> None:
    size = state.sizes[norm.x]
    arguments = (size.rows, size.channels, state.norm_number(norm), relu)
    state.writer.write("normalise", (*_norm_buffers(state, norm), add, to), arguments)


def _conv_input(state: NodeWriter, step: ConvStep) -> int:
    """Return the buffer of a convolution's input, after its normalisation and ReLU if any."""
    norm = step.input_norm
    if norm is None:
        return state.read(step.op.args[0])
    name = f"{norm.owner}/activated"
    if name not in state.values:
        to = state.writer.scratch(state.sizes[norm.x].numbers)
        _write_normalise(state, norm, to, add=None, relu=True)
        if not state.update:
            state.values[name] = to
        return to
    return state.values[name]


def _geometry(state: NodeWriter, step: ConvStep) -> tuple[int, ...]:
    """Return batch, size, channels, and the kernel's size, stride and dilation, on two axes."""
    geometry = step.geometry
    x, y = state.sizes[step.op.args[0]], state.sizes[step.op.name]
    if geometry.size > _MAX_TAPS:
        raise UnsupportedByKernels(f"a kernel of size {geometry.size}")
    if geometry.volume or geometry.same:
        raise UnsupportedByKernels("a convolution over time and space, or with unequal padding")
    size, stride, dilation = geometry.size, geometry.stride, geometry.dilation
    if geometry.temporal:
        axes = (x.clips, x.frames, x.height * x.width)
        return (*axes, x.channels, y.channels, size, 1, 1, 1, dilation, 1)
    axes = (x.clips * x.frames, x.height, x.width)
    return (*axes, x.channels, y.channels, size, size, stride, stride, 1, 1)


def _conv_backward(state: NodeWriter, step: ConvStep, grad: int, *, owned: bool) -> None:
    name, norm, writer = step.op.args[0], step.input_norm, state.writer
    weights = state.stored_sizes[step.weight]
    geometry = _geometry(state, step)
    x = _conv_input(state, step) if norm else None
    if step.weight in state.wanted:
        x = _conv_input(state, step)
        of_weight = state.stored_grad(step.weight)
        writer.write("weight_gradient", (grad, x, of_weight, writer.scratch(weights)), geometry)
    weight = state.stored(step.weight)
    if norm and not state.wanted.isdisjoint((name, *norm.stored)):
        result = writer.scratch(state.sizes[name].numbers)
        scratch = writer.scratch(weights)
        writer.write("input_gradient", (grad, weight, result, None, scratch), geometry)
        _write_norm_backward(state, norm, result, mask=_OWN_MASK, to=result)
    elif name in state.wanted:
        to, adds = state.target(name)
        total, scratch = to if adds else None, writer.scratch(weights)
        writer.write("input_gradient", (grad, weight, to, total, scratch), geometry)
        if not adds:
            state.add_grad(name, to)
    if len(step.op.args) > 1:
        state.add_grad(step.op.args[1], grad, borrowed=not owned)


def _write_norm_backward(
    state: NodeWriter,
    norm: Normalisation,
    grad: int,
    *,
    mask: int,
    to: int,
    result: int | None = None,
    masked: int | None = None,
) -> None:
    """Write the gradients of a normalisation; `to` gets that of its input if it is wanted."""
    size = state.sizes[norm.x]
    wanted = norm.x in state.wanted
    stored: list[int | None] = [None, None]
    if not state.wanted.isdisjoint(norm.stored):
        stored = [
            state.stored_grad(name) if name in state.wanted else state.writer.scratch(size.channels)
            for name in norm.stored
        ]
    buffers = (
        grad,
        *_norm_buffers(state, norm),
        result,
        to if wanted else None,
        *stored,
        masked,
    )
    arguments = (size.rows, size.channels, state.norm_number(norm), mask)
    state.writer.write("normalise_backward", buffers, arguments)
    if wanted:
        state.add_grad(norm.x, to)


def _norm_backward(state: NodeWriter, step: NormStep, grad: int, *, owned: bool) -> None:
    summands, size = step.op.args[1:], state.sizes[step.op.name].numbers
    relu = step.op.relu
    result = state.values[step.op.name] if relu else None
    mask = _RESULT_MASK if relu else _NO_MASK
    masked = None
    if relu and summands:
        masked = grad if owned else state.writer.scratch(size)
    to = grad if owned and not summands else state.writer.scratch(size)
    _write_norm_backward(state, step.norm, grad, mask=mask, to=to, result=result, masked=masked)
    for name in summands:
        state.add_grad(name, grad if masked is None else masked, borrowed=not (owned or relu))


def _write_sum(state: NodeWriter, step: SumStep) -> None:
    numbers = state.sizes[step.op.name].numbers
    terms = [state.read(name) for name in step.op.args]
    weights = state.stored(step.weights)
    to = state.made(step.op.name, numbers)
    for first in range(0, len(terms), 2):
        pair = terms[first : first + 2]
        positions = [*step.positions[first : first + 2], 0][:2]
        buffers = (pair[0], pair[1] if len(pair) > 1 else None, weights, to)
        state.writer.write("gated", buffers, (*positions, numbers, first > 0))


def _sum_backward(state: NodeWriter, step: SumStep, grad: int) -> None:
    numbers = state.sizes[step.op.name].numbers
    weights = state.stored(step.weights)
    of_weights = None
    if step.weights in state.wanted:
        key = f"grad/{step.weights}"
        if key not in state.values:
            size = state.stored_sizes[step.weights]
            state.writer.write("zero", (state.stored_grad(step.weights),), (size,))
        of_weights = state.values[key]
    for name, position in zip(step.op.args, step.positions):
        to, adds = state.target(name) if name in state.wanted else (None, False)
        if of_weights is None and to is None:
            continue
        buffers = (grad, state.read(name), weights, of_weights, to)
        state.writer.write("gated_backward", buffers, (position, numbers, adds))
        if to is not None and not adds:
            state.add_grad(name, to)


def _pool_sizes(state: NodeWriter, step: PoolStep) -> tuple[int, ...]:
    x, y = state.sizes[step.op.args[0]], state.sizes[step.op.name]
    window = step.window
    if window.size > _MAX_WINDOW:
        raise UnsupportedByKernels(f"a pool of size {window.size}")
    pads = (same_padding(size, window.size, window.stride) for size in (x.height, x.width))
    first = (x.clips * x.frames, x.height, x.width, x.channels, window.size, window.stride)
    return (*first, *pads, y.height, y.width)


def _pool_backward(state: NodeWriter, step: PoolStep, grad: int) -> None:
    name, norm = step.op.args[0], step.input_norm
    indices = state.values[f"{step.op.name}/indices"]
    sizes = _pool_sizes(state, step)
    if norm is None:
        if name not in state.wanted:
            return
        to, adds = state.target(name)
        state.writer.write("pool_backward", (grad, indices, None, to), (*sizes, adds))
        if not adds:
            state.add_grad(name, to)
        return
    to = state.writer.scratch(state.sizes[name].numbers)
    result = state.values[step.op.name]
    state.writer.write("pool_backward", (grad, indices, result, to), (*sizes, False))
    _write_norm_backward(state, norm, to, mask=_NO_MASK, to=to)
