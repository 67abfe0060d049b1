"""The loop of a training run: steps, with the metrics, checkpoints and validations between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import torch

from anetc.training.failures import BadData, NotANumber, report_out_of_memory
from anetc.training.loop import Step, TrainState, steps
from anetc.training.run.board import MetricsBoard
from anetc.training.run.checkpoint import checkpoint_of, save_checkpoint
from anetc.training.run.early_stopping import EarlyStopping
from anetc.training.run.journal import Journal
from anetc.training.run.records import (
    STEPS_PER_FLUSH,
    check_finite,
    counted,
    json_measures,
    step_lines,
    validate,
)
from anetc.training.run.run_folder import CHECKPOINTS
from anetc.training.run.speed import SpeedMeter
from anetc.training.run.stop_request import StopRequest
from anetc.training.run.watcher import StepReport, Watcher
from anetc.training.step_cost import StepTimer

if TYPE_CHECKING:
    from anetc.data.batches.loader import Batch
    from anetc.data.values import Dataset
    from anetc.evaluation.scores import Evaluation


_SECONDS_PER_REPORT = 5.0
"""Seconds after which finished steps are reported, even if they are few."""


class _Stopped(Exception):
    """A signal has ended the wait for a batch."""


@attrs.define(eq=False)
class RunLoop:
    """The loop of a run in one process. All processes execute the same steps."""

    state: TrainState
    folder: Path
    validation: Dataset
    watch: Watcher
    stop: StopRequest
    journal: Journal | None = None
    """None in all processes but the first."""
    boards: list[MetricsBoard] = attrs.field(factory=list)
    early: EarlyStopping | None = None
    """Early stopping; None trains all steps."""
    without_gain: int = 0
    """Without early stopping: the number to keep in checkpoints, for a run that had it before."""
    keep_best: Callable[[Evaluation], None] = lambda _: None
    """Called after the best validation so far, to keep the weights."""
    keep_last: Callable[[], object] = lambda: None
    """Called before the last validation, which may need more memory than there is."""
    earlier_ends: frozenset[int] = frozenset()
    """Numbers of steps after which the run had ended before it was extended."""
    meter: SpeedMeter | None = None
    """Meter of the speed; None in all processes but the first."""
    timer: StepTimer | None = None
    """Compares the first steps with the forecast."""
    done: int = 0
    """Number of finished steps."""
    saved: int = attrs.field(init=False)
    """Number of steps in the last checkpoint."""
    stepping: float = attrs.field(init=False, default=0.0)
    """Seconds spent on steps."""
    waited: float = attrs.field(init=False, default=0.0)
    """The part of `stepping` that was spent waiting for batches."""
    _pending: list[Step] = attrs.field(init=False, factory=list)
    """Steps whose losses are still on the device."""
    _flushed: float = attrs.field(init=False, factory=time.perf_counter)
    """When the losses were last read."""

    def __attrs_post_init__(self) -> None:
        self.saved = self.done
        self.stop.ignores_repeats = not self._is_alone

    def finish(self, batches: Iterator[Batch]) -> Evaluation:
        """Train from step `done` to the last one, and return the last evaluation.

        Early stopping may end the run before; `done` is the number of finished steps.

        Raises KeyboardInterrupt, after a checkpoint of the finished steps, where a signal requests
        a stop; TrainingFailure where training cannot continue.
        """
        with report_out_of_memory("to train"), self.stop.deferred():
            # A checkpoint is older than the validation that is due after its step.
            evaluation = self._validate() if self._is_validation_due() else None
            self._flushed = time.perf_counter()
            is_over = evaluation is not None and self._is_over()
            for step in () if is_over else self._steps(batches):
                self._complete(step)
                if self._is_validation_due():
                    evaluation = self._validate()
                    self._flushed = time.perf_counter()
                    if self._is_over():
                        break
        assert evaluation is not None
        return evaluation

    def _is_over(self) -> bool:
        """Return whether early stopping ends the run, and report it."""
        if self.early is None or not self.early.is_over or self.early.best is None:
            return False
        if self.done == self.state.settings.iterations:
            return False
        self.watch.message(
            f"stopped after {self.done} of {counted(self.state.settings.iterations, 'step')}: "
            f"{counted(self.early.without_gain, 'validation')} without a gain since step "
            f"{self.early.best.iteration}; to go on, --resume with a larger --patience"
        )
        return True

    @property
    def _is_alone(self) -> bool:
        return bool(self.state.accelerator.num_processes == 1)

    def _steps(self, batches: Iterator[Batch]) -> Iterator[Step]:
        waits = self._stoppable_waits(batches) if self._is_alone else batches
        try:
            yield from steps(self.state, waits, self.done)
        except _Stopped:
            self._save_and_stop()
        except BadData:
            # The signal may have ended the loader's workers as well.
            if not self.stop.is_made:
                raise
            if self._is_alone:
                self._save_and_stop()
            raise KeyboardInterrupt from None

    def _stoppable_waits(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches. A signal ends the wait for one at once: it costs no finished step."""
        while True:
            try:
                with self.stop.immediate():
                    batch = next(batches, None)
            except KeyboardInterrupt:
                raise _Stopped from None
            if batch is None:
                return
            yield batch

    def _complete(self, step: Step) -> None:
        """Record a finished step; flush, save and stop where that is due."""
        settings = self.state.settings
        self.done = step.iteration + 1
        self._pending.append(step)
        validating = self._is_validation_due()
        saving = self.done % settings.save_every == 0 or self.done == settings.iterations
        # The weights of the best validation are those of a checkpoint, also after a resumption.
        saving = saving or (validating and self.early is not None)
        full = len(self._pending) == STEPS_PER_FLUSH or self._is_report_due()
        flushing = saving or full or validating
        if self._must_stop(flushing):
            self._save_and_stop()
        if flushing:
            self._flush()
        if saving:
            self._save()

    def _is_report_due(self) -> bool:
        """Return whether to report a step: the first one, and slow steps one by one.

        Several processes agree, because only one that is alone goes by the clock.
        """
        if self.stepping == 0:
            return True
        return self._is_alone and time.perf_counter() - self._flushed > _SECONDS_PER_REPORT

    def _must_stop(self, flushing: bool) -> bool:
        """Return whether to stop after this step. Several processes agree on it when they flush."""
        if self._is_alone:
            return self.stop.is_made
        if not flushing:
            return False
        accelerator = self.state.accelerator
        own = torch.tensor(float(self.stop.is_made), device=accelerator.device)
        return bool(accelerator.reduce(own, "sum") > 0)

    def _save_and_stop(self) -> None:
        if self._pending:
            self._flush()
        if self.saved < self.done:
            self._save()
        raise KeyboardInterrupt

    def _is_validation_due(self) -> bool:
        every = self.state.settings.evaluate_every
        last = self.done == self.state.settings.iterations or self.done in self.earlier_ends
        return last or bool(self.done and every and self.done % every == 0)

    def _flush(self) -> None:
        """Read the losses from the device, write and report them. Raises NotANumber."""
        pending, self._pending = self._pending, []
        lines = step_lines(self.state, pending)
        # JSON has no NaN: the last line is that of the last good step.
        self._write(*(line for line in lines if math.isfinite(line["loss"])))
        check_finite(lines, self._last_good_state())
        now = time.perf_counter()
        passed, self._flushed = now - self._flushed, now
        self.stepping += passed
        waited = sum(step.waited for step in pending)
        self.waited += waited
        settings = self.state.settings
        if self.timer is not None:
            left = settings.iterations - self.done
            line = self.timer.report(len(pending), passed, waited, left) if left else None
            if line is not None:
                self.watch.message(line)
        speed = None
        if self.meter is not None:
            speed = self.meter.measure(self.done, len(pending), passed, waited)
        self.watch.steps_done(
            StepReport(
                done=self.done,
                iterations=settings.iterations,
                loss=sum(line["loss"] for line in lines) / len(lines),
                learning_rate=pending[-1].learning_rate,
                clips_per_second=settings.batch * len(pending) / passed,
                waiting=None if speed is None else speed.waiting,
                mfu=None if speed is None else speed.mfu,
            )
        )

    def _save(self) -> None:
        """Save a checkpoint. Raises NotANumber where a weight is not finite."""
        finite = [tensor.isfinite().all() for tensor in self.state.model.state_dict().values()]
        if not bool(torch.stack(finite).all()):  # one wait for the device, not one for each tensor
            raise NotANumber(
                f"a weight is not finite after step {self.done}{self._last_good_state()}"
            )
        if self.journal is not None:
            checkpoint = checkpoint_of(
                self.state,
                self.done,
                metrics_bytes=self.journal.size,
                without_gain=self.early.without_gain if self.early else self.without_gain,
            )
            save_checkpoint(self.folder / CHECKPOINTS, checkpoint)
        self.saved = self.done

    def _last_good_state(self) -> str:
        return f"; {self.folder / CHECKPOINTS} holds the last good state"

    def _validate(self) -> Evaluation:
        """Validate the model. A request to stop interrupts it, and the steps before it are kept."""
        if self.done == self.state.settings.iterations:
            self.keep_last()
        try:
            with self.stop.immediate():
                evaluation = validate(self.state, self.validation)
        except KeyboardInterrupt:
            self._save_and_stop()
            raise
        measures = evaluation.measures()
        if self.early is not None and self.early.add(self.done, json_measures(measures)):
            self.keep_best(evaluation)
        self._write({"iteration": self.done, "validation": json_measures(measures)})
        values = "  ".join(f"{name} {value:.4g}" for name, value in measures.items())
        self.watch.message(f"validation after {counted(self.done, 'step')}: {values}")
        return evaluation

    def _write(self, *lines: dict[str, Any]) -> None:
        if self.journal is not None:
            self.journal.write(*lines)
        for board in self.boards:
            board.write(*lines)
