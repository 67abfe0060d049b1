"""The cost of a training step on this machine, measured before the first step of a run.

A few clips are read as training reads them, and one small step is computed on a copy of the model.
So a run tells within seconds how long it will take. Neither changes a number of the run.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import torch
from torch import nn

from anetc.data.batches.batch_readers import StreamReader
from anetc.data.batches.loader import named_inputs, scaled
from anetc.engines.training import TrainingModule
from anetc.training.batch_norm import fewest_cells
from anetc.training.losses import loss_of
from anetc.video.flow.fields import timed_flow
from anetdsl.terminal import duration

if TYPE_CHECKING:
    from anetc.data.batches.batch_readers import RawBatch
    from anetc.data.values import Dataset
    from anetc.training.loop import TrainState
    from anetc.video.clips import Recipe

_ENOUGH = 0.5
"""Seconds of reading after which it ends."""
_MAX_READS = 4
_FAST = 2.0
"""Seconds of a part of a step up to which it is computed with all its clips."""
_WORTH_REPORTING = 60.0
"""Seconds of a run from which a wrong forecast is corrected."""
_MANY_PASSES = 500
"""Number of times that a run reads each video from which fewer steps are suggested. The paper's
50,000 steps read each video of Charades 200 times."""
_LONG_READING = 0.25
"""Fraction of a step's time from which loader processes are suggested."""
_MINUTES, _HOURS = 600, 3600
"""Seconds of a run from which fewer steps, and smaller clips, are suggested."""
_SMALL_CLIP = (8, 64)
"""Frames and pixels of a clip that no smaller one is suggested for."""


@attrs.frozen
class StepCost:
    """Seconds that parts of a step take in this process, for `clips` clips."""

    clips: int
    reading: float
    """Seconds to read the clips in one process, optical flow included."""
    flow: float
    """The part of `reading` in which optical flow is computed, not read from a cache."""
    computing: float | None
    """Seconds to compute a step from its clips; None if they were not measured."""
    workers: int
    """Number of processes that read clips while steps are computed; 0: the training process."""

    @property
    def waiting(self) -> float:
        """Seconds of a step in which nothing is computed, because clips are read."""
        if self.workers == 0:
            return self.reading
        return max(self.reading / self.workers - (self.computing or 0.0), 0.0)

    @property
    def seconds(self) -> float:
        """Seconds of a step, as far as they were measured."""
        return self.waiting + (self.computing or 0.0)

    def line(self, steps: int) -> str:
        """Return a sentence about the cost of a step and of `steps` steps."""
        reading = f"{_short(self.reading)} to read {_clips(self.clips)}"
        if self.flow > 0:
            reading += f" ({_short(self.flow)} of it to compute optical flow)"
        if self.workers:
            reading += f", shared by {self.workers} worker{'s' * (self.workers > 1)}"
        if self.computing is None:
            return f"a step takes about {reading}; its computation is measured in the first steps"
        return (
            f"a step takes about {_short(self.seconds)}: {reading}, and {_short(self.computing)} "
            f"to compute; {_steps(steps)} about {duration(steps * self.seconds)}"
        )

    def advice(
        self, recipe: Recipe, *, steps: int, videos: int, batch: int, misses_flow: bool
    ) -> Iterator[str]:
        """Yield what makes a run of `steps` steps on `videos` training videos cheaper.

        `batch` is the number of clips of a step in all processes. With `misses_flow` some of the
        flow is not in the cache, but could be.
        """
        total = steps * self.seconds
        if misses_flow and self.flow > _LONG_READING * self.seconds:
            yield f"--make-flow saves {_short(self.flow)} of a step"
        if self.workers == 0 and self.reading - self.flow > max(
            _LONG_READING * self.seconds, _MINUTES / steps
        ):
            yield "--workers 2 reads clips while steps are computed"
        passes = steps * batch / videos
        if total > _MINUTES and passes > _MANY_PASSES:
            yield (
                f"fewer --iterations: {steps:,} steps read each of the {videos:,} training videos "
                f"{passes:,.0f} times"
            )
        frames, side = recipe.frames, min(recipe.size)
        if total > _HOURS and frames > _SMALL_CLIP[0] and side > _SMALL_CLIP[1]:
            smaller = f"--frames {frames // 2} --size {side // 2}"
            yield f"smaller clips: {smaller} has an eighth of the values"


@attrs.define
class StepTimer:
    """Compares the first steps of a run with the cost that was measured before them."""

    cost: StepCost
    warm_up: int
    """Number of reports to skip: the first step is slow on a GPU and while workers start."""

    def report(self, count: int, seconds: float, waited: float, left: int) -> str | None:
        """Return a sentence about `count` steps that took `seconds` seconds, if it is news.

        `waited` is the part of the time spent waiting for clips; `left` steps are left.
        """
        if self.warm_up < 0:
            return None
        self.warm_up -= 1
        if self.warm_up >= 0:
            return None
        step = seconds / count
        if left * step < _WORTH_REPORTING:
            return None
        if self.cost.computing is not None and 2 / 3 < step / self.cost.seconds < 3 / 2:
            return None
        return (
            f"a step took {_short(step)}, {_short(waited / count)} of it waiting for clips; "
            f"{_steps(left)} about {duration(left * step)}"
        )


def measure_step(
    state: TrainState, training: Dataset, recipe: Recipe, start: int
) -> StepCost | None:
    """Read some clips of step `start`, and compute a step of some clips on the CPU.

    On other devices, and with several processes, nothing is computed. The model, the optimiser and
    the state of random generators do not change. Return None if no video can be read.
    """
    settings, accelerator = state.settings, state.accelerator
    share = settings.batch // accelerator.num_processes
    threads = torch.get_num_threads()
    try:
        if settings.workers:
            torch.set_num_threads(1)  # as in a worker
        read, reading, flow = _read_clips(training, settings.seed, settings.batch, start)
    finally:
        torch.set_num_threads(threads)
    if read is None:
        return None
    computing = None
    if accelerator.num_processes == 1 and accelerator.device.type == "cpu":
        _, cells = fewest_cells(state.network, settings, recipe)
        computing = settings.accumulate * _part_seconds(state, read, share, 1 if cells > 1 else 2)
    return StepCost(share, share * reading, share * flow, computing, settings.workers)


def _read_clips(
    dataset: Dataset, seed: int, batch: int, start: int
) -> tuple[RawBatch | None, float, float]:
    """Return a clip, or None if no video is readable, and seconds to read it, and for its flow."""
    found: RawBatch | None = None
    times = []
    began = time.perf_counter()
    for first in range(min(_MAX_READS, batch)):
        before = time.perf_counter()
        with timed_flow() as clock:
            raw = StreamReader(dataset, seed, batch, first, 1)(start)
        now = time.perf_counter()
        times.append((now - before, clock.seconds))
        if raw.rgb is None:
            break
        found = raw
        if now - began > _ENOUGH:
            break
    # The first read imports modules.
    times = times[1:] or times
    reading, flow = (sum(column) / len(times) for column in zip(*times))
    return found, reading, flow


def _part_seconds(state: TrainState, read: RawBatch, share: int, few: int) -> float:
    """Return the seconds to compute a part of a step, extrapolated from `few` clips if it is slow.

    A part has share / accumulate clips.
    """
    part = share // state.settings.accumulate
    reference = copy.deepcopy(state.model)
    module: nn.Module = reference
    if state.settings.engine == "fast":
        module = TrainingModule(reference, checkpoint=state.settings.recompute)
    module.train()
    seconds = _compute(module, state, read, few)
    if seconds < _FAST:  # the first time prepares the plan
        seconds = _compute(module, state, read, few)
    seconds *= part / few
    return seconds if seconds > _FAST else _compute(module, state, read, part)


def _compute(module: nn.Module, state: TrainState, read: RawBatch, clips: int) -> float:
    """Return the seconds of the forward and backward pass of `clips` clips, all the same."""
    assert read.targets is not None
    inputs = {
        name: torch.cat([x[:1]] * clips)
        for name, x in named_inputs(state.network, scaled(read.inputs)).items()
    }
    targets = torch.cat([read.targets[:1]] * clips)
    settings = state.settings
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
        logits = module(inputs)
    torch.autograd.backward(loss_of(logits, targets, settings.label_smoothing))
    return time.perf_counter() - began


def _clips(count: int) -> str:
    return "1 clip" if count == 1 else f"{count} clips"


def _steps(count: int) -> str:
    return "1 step takes" if count == 1 else f"{count:,} steps take"


def _short(seconds: float) -> str:
    """Format seconds with two digits."""
    if seconds >= 60:
        return duration(seconds)
    return f"{seconds:.0f} s" if seconds >= 10 else f"{max(seconds, 0.001):.2g} s"
