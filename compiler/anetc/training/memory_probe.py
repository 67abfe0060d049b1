"""Find the number of parts of a step for which the memory of an accelerator suffices.

Before the first step of a run, the forward and backward pass of one part is computed on a real
batch. While memory does not suffice, the parts are made smaller (`accumulate`). All that the pass
has changed is restored. After the first step the number of parts never changes: the statistics of
batch normalisation are those of a part.

An engine that will be compiled is tried without the compiler, which would take minutes for each
size of a part. Only the size that was found is then tried as it will run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor, nn

from anetc.data.batches.loader import Batch, named_inputs, scaled
from anetc.engines.training.shared_statistics import not_shared
from anetc.memory import is_out_of_memory
from anetc.training.losses import loss_of
from anetdsl.evolve.contract import more_parts

if TYPE_CHECKING:
    from anetc.training.loop import TrainState


def with_fitting_parts(
    state: TrainState,
    batches: Iterator[Batch],
    report: Callable[[str], None] = lambda _: None,
    *,
    always: bool = False,
) -> tuple[TrainState, Iterator[Batch]]:
    """Return the state with parts of a step for which memory suffices, and all the batches.

    Several processes call this alike, and agree on the smallest parts that one of them needs. On
    the CPU nothing is computed, unless with `always`.

    Args:
        state: A model before its first step.
        batches: Batches from that of the first step on, which are on the host.
        report: Called with a line if the number of parts has changed.
        always: True to try a part on the CPU, too.

    Raises:
        RuntimeError: The error of PyTorch where memory does not suffice for the smallest parts.
        CannotRun: No batch can be read.
    """
    if not always and state.accelerator.device.type == "cpu":
        return state, batches
    first = next(batches)
    clips, before = len(first.targets), state.settings.accumulate
    engine = state.accelerator.unwrap_model(state.wrapped)
    with _without_compiler(engine):
        parts = _fitting_parts(state, engine, first, before)
    # Here, statistics that several processes share would be another graph to compile.
    if _is_compiled(engine) and state.accelerator.num_processes == 1:
        parts = _fitting_parts(state, engine, first, parts)
    if parts > before:
        report(
            f"memory suffices for {clips // parts} of the {clips // before} clips at once: each "
            f"step is computed in {parts} parts (--accumulate {parts})"
        )
        state = with_parts(state, parts)
    return state, _first_then(first, batches)


def with_parts(state: TrainState, parts: int) -> TrainState:
    """Return the state whose steps are computed in this number of parts."""
    state.accelerator.gradient_accumulation_steps = parts
    return attrs.evolve(state, settings=attrs.evolve(state.settings, accumulate=parts))


def _first_then(first: Batch, batches: Iterator[Batch]) -> Iterator[Batch]:
    yield first
    yield from batches


def _fitting_parts(state: TrainState, engine: nn.Module, first: Batch, parts: int) -> int:
    """Return the smallest number of parts, from `parts` on, for which memory suffices."""
    while True:
        error = _error_of_part(state, engine, first, parts)
        if not _any_process(state, error is not None):
            break
        more = more_parts(len(first.targets), parts)
        if more is None:
            raise error or RuntimeError("another process is out of memory")
        error, parts = None, more
        _free_memory(state)
    _free_memory(state)
    return parts


def _is_compiled(engine: nn.Module) -> bool:
    return bool(getattr(engine, "compiled", False))


@contextlib.contextmanager
def _without_compiler(engine: nn.Module) -> Iterator[None]:
    compiled = _is_compiled(engine)
    if compiled:
        engine.compiled = False  # type: ignore[assignment]
    try:
        yield
    finally:
        if compiled:
            engine.compiled = True  # type: ignore[assignment]


def _error_of_part(
    state: TrainState, engine: nn.Module, batch: Batch, parts: int
) -> Exception | None:
    """Compute a part of a batch and restore the model. Return the error if memory ran out."""
    device, model = state.accelerator.device, state.model
    size = len(batch.targets) // parts
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    random = torch.get_rng_state()
    trained = [p for p in model.parameters() if p.requires_grad]
    try:
        # The optimiser makes as many numbers in the first step.
        momentum = [torch.empty_like(p) for p in trained]
        clips = scaled({kind: x[:size].to(device) for kind, x in batch.inputs.items()})
        engine.train()
        with not_shared(), state.accelerator.autocast():
            logits = engine(named_inputs(state.network, clips))
        loss = loss_of(logits, batch.targets[:size].to(device), state.settings.label_smoothing)
        torch.autograd.backward(loss)
        float(loss.detach())  # wait for the device, which may report its errors late
        del momentum
        return None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return error.with_traceback(None)
    finally:
        for parameter in trained:
            parameter.grad = None
        with torch.no_grad():
            for name, value in model.named_buffers():
                value.copy_(buffers[name])
        torch.set_rng_state(random)


def _any_process(state: TrainState, own: bool) -> bool:
    if state.accelerator.num_processes == 1:
        return own
    flag: Tensor = torch.tensor(float(own), device=state.accelerator.device)
    return bool(state.accelerator.reduce(flag, "sum") > 0)


def _free_memory(state: TrainState) -> None:
    if state.accelerator.device.type == "cuda":
        torch.cuda.empty_cache()
