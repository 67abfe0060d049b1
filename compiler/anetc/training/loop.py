"""The training loop: a model with its optimiser, and the training steps."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import torch
import torch.distributed as processes
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor, nn

from anetc.data.batches.device_feed import fed, takes_bytes
from anetc.data.batches.loader import named_inputs, scaled
from anetc.devices import Device, resolve, set_up
from anetc.engines.engine_choice import training_engine, training_kernels
from anetc.modules.network import NetworkModule, build_network
from anetc.training.batch_norm import AVERAGED, set_decay, synchronise
from anetc.training.failures import BadData
from anetc.training.losses import loss_of
from anetc.training.network_sgd import NetworkSGD
from anetc.training.optimiser import freeze_unread, make_optimiser, set_rate
from anetc.training.schedule import learning_rate
from anetc.training.settings import TrainSettings
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.data.batches.loader import Batch
    from anetdsl.ir import Network

_SLOWEST = datetime.timedelta(days=1)
"""Time that a process waits for the others, such as for a slow share of a validation. NCCL's
default of 10 minutes would end the run. A process that fails ends the others at once."""


@attrs.frozen(eq=False)
class TrainState:
    """A model in training."""

    network: Network
    settings: TrainSettings
    accelerator: Accelerator
    model: NetworkModule
    """The module that holds the parameters."""
    wrapped: nn.Module
    """The module to call for training: `model` with fast gradients and several processes."""
    optimiser: NetworkSGD
    device: Device
    """Device, precision and engine of the training."""

    @property
    def used_device(self) -> Device:
        """The device for results: it is not compiled if the compiler has failed."""
        engine = self.accelerator.unwrap_model(self.wrapped)
        return attrs.evolve(self.device, compiled=bool(getattr(engine, "compiled", False)))

    @property
    def kernels(self) -> str:
        """Version of the native kernels of the training; "none" without them."""
        return training_kernels(self.device, several=self.accelerator.num_processes > 1)


@attrs.frozen(eq=False)
class Step:
    """A finished step of the optimiser. `iteration` counts from 0."""

    iteration: int
    learning_rate: float
    loss: Tensor
    """Loss of this process's clips before the step: a scalar on the device, not waited for."""
    waited: float
    """Seconds spent waiting for the batch."""


def training_device(settings: TrainSettings, done: int = 0) -> Device:
    """Return the device of a training that has done some steps, compiled if many are left.

    Raises CannotRun if PyTorch cannot use the device that the settings name.
    """
    device = resolve(
        settings.device,
        settings.precision,
        engine=settings.engine,
        deterministic=settings.deterministic,
    )
    return device.for_training(settings.iterations - done)


def make_accelerator(settings: TrainSettings) -> Accelerator:
    """Return the accelerator for the devices and processes of `torchrun` or `accelerate launch`.

    Raises CannotRun where PyTorch cannot use the device, and where the processes cannot share the
    batch equally.
    """
    device = training_device(settings)
    set_up(device)
    # accelerate keeps global state, which may hold the choices of an earlier run.
    AcceleratorState._reset_state(reset_partial_state=not processes.is_initialized())
    accelerator = Accelerator(
        cpu=device.kind == "cpu",
        mixed_precision="bf16" if device.precision == "bfloat16" else "no",
        gradient_accumulation_steps=settings.accumulate,
        kwargs_handlers=[
            # Batch statistics are equal in all processes without it.
            DistributedDataParallelKwargs(broadcast_buffers=False),
            InitProcessGroupKwargs(timeout=_SLOWEST),
        ],
    )
    parts = accelerator.num_processes * settings.accumulate
    if settings.batch % parts:
        raise CannotRun(
            f"a batch of {settings.batch} clips cannot be shared equally by "
            f"{accelerator.num_processes} processes with {settings.accumulate} parts each; "
            f"use a --batch that {parts} divides"
        )
    return accelerator


def shut_down_processes() -> None:
    """End the communication between training processes, at the end of a program."""
    if processes.is_initialized():
        processes.destroy_process_group()


def make_train_state(
    network: Network, settings: TrainSettings, accelerator: Accelerator, done: int = 0
) -> TrainState:
    """Return a network with initial weights, ready for training on the accelerator's device.

    `done` is the number of steps of the checkpoint that it will be given.
    """
    device = training_device(settings, done)
    settings = attrs.evolve(settings, precision=device.precision)
    model = build_network(network, seed=settings.seed)
    freeze_unread(model, network)
    several = accelerator.num_processes > 1
    if several and device.engine == "reference":
        synchronise(model)
    wrapped = training_engine(model, device, checkpoint=settings.recompute, synchronise=several)
    # By default accelerate imports distributed tensors, to find out what the model has.
    prepared = accelerator.prepare_model(wrapped, device_placement=True)
    return TrainState(
        network, settings, accelerator, model, prepared, make_optimiser(model, settings), device
    )


def steps(state: TrainState, batches: Iterator[Batch], start: int = 0) -> Iterator[Step]:
    """Train from step `start` to the last one, and yield each finished step.

    `batches` begins with the batch of step `start`; `is_compact` says whether it should be compact.
    On an accelerator each batch is copied while the step before computes. Between steps the caller
    may use the model and put it into inference mode. Raises BadData where a batch cannot be read.
    """
    settings, optimiser = state.settings, state.optimiser
    accelerator, device = state.accelerator, state.accelerator.device
    # No batch is read after the last one.
    batches = fed(itertools.islice(batches, settings.iterations - start), device)
    for iteration in range(start, settings.iterations):
        began = time.perf_counter()
        batch = _next(batches)
        waited = time.perf_counter() - began
        rate = learning_rate(
            iteration, settings.iterations, settings.peak_learning_rate, settings.warmup
        )
        set_rate(optimiser, rate)
        state.wrapped.train()
        losses = []
        for part, (inputs, targets) in enumerate(_micro_batches(state, batch)):
            if (number := iteration * settings.accumulate + part) <= AVERAGED:
                set_decay(state.model, number)
            with accelerator.accumulate(state.wrapped):
                loss = loss_of(state.wrapped(inputs), targets, settings.label_smoothing)
                accelerator.backward(loss)
                losses.append(loss.detach())
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        yield Step(iteration, rate, torch.stack(losses).mean(), waited)


def is_compact(state: TrainState) -> bool:
    """Return whether the batches of the training should be compact: the device scales them."""
    return takes_bytes(state.accelerator.device)


def _next(batches: Iterator[Batch]) -> Batch:
    try:
        return next(batches)
    except CannotRun as error:
        raise BadData(str(error)) from None


def _micro_batches(
    state: TrainState, batch: Batch
) -> Iterator[tuple[Mapping[str, Tensor], Tensor]]:
    """Yield the inputs by name and the targets of a process's clips, in equal parts."""
    count = state.settings.accumulate
    pieces: dict[str, Any] = {kind: x.chunk(count) for kind, x in batch.inputs.items()}
    for number, targets in enumerate(batch.targets.chunk(count)):
        clips = scaled({kind: part[number] for kind, part in pieces.items()})
        yield named_inputs(state.network, clips), targets
