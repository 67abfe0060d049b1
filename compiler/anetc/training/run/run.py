"""A training run in a folder of its own, which can be stopped at any moment and gone on with.

`RUN/run.json` says what is trained on what, and how: --resume wants the same. `RUN/metrics.jsonl`
has the loss of each step, and what validation gave; `RUN/checkpoints/` the last two checkpoints. In
the end there are `weights.safetensors`, `model.anet` and `result.json`.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
import torch

from anetc.data.batches.loader import Batch, needs_flow, training_batches
from anetc.data.open import open_data
from anetc.evaluation.runner import check_classes
from anetc.training.failures import NotANumber, memory_watched
from anetc.training.loop import Step, TrainState, make_accelerator, make_train_state, steps
from anetc.training.optimiser import momentum_of, set_momentum
from anetc.training.run.board import Board
from anetc.training.run.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from anetc.training.run.journal import Journal
from anetc.training.run.records import FLUSHED, check_finite, numbers, step_lines, validate
from anetc.training.run.run_folder import (
    BOARD,
    CHECKPOINTS,
    METRICS,
    MODEL,
    RESULT,
    WEIGHTS,
    about_run,
    open_folder,
)
from anetc.training.run.watcher import SilentWatcher, StepReport, Watcher
from anetc.weights.files import save_weights
from anetc.weights.inherit.lookup import inherit_file
from anetc.weights.learned import trained_text
from anetdsl.checking import check_source, network_of
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from anetc.data.recipes import Recipes
    from anetc.data.values import Dataset, DataSpec
    from anetc.evaluation.scores import Evaluation
    from anetc.training.settings import Parent, TrainSettings
    from anetdsl.source import SourceFile


@attrs.frozen
class TrainResult:
    """How a run ended."""

    iterations: int
    measures: dict[str, float]
    """Of the validation split, as `Evaluation.measures` has them."""
    parameters: int
    seconds: float
    """Since this process began to train; a run that went on counts anew."""
    waiting: float
    """The part of the steps' time that was spent waiting for clips."""

    def to_json(self) -> dict[str, Any]:
        """What result.json holds. A measure that is no number is null."""
        return {
            "schema": "anetdsl-training-result",
            "schema_version": 1,
            **attrs.asdict(self),
            "measures": numbers(self.measures),
        }


def train(
    source: SourceFile,
    settings: TrainSettings,
    data: DataSpec,
    recipes: Recipes,
    out: Path,
    *,
    resume: bool = False,
    init_from: Parent | None = None,
    tensorboard: bool = False,
    watch: Watcher | None = None,
) -> TrainResult:
    """Train the network of a text in the folder `out`, or go on where that stopped.

    In each of several processes alike; the first one writes. Raises AnetError for a text with
    errors, and CannotRun (TrainingFailure) for whatever stops the run; the last checkpoint stays.
    """
    network = network_of(check_source(source))
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    accelerator = make_accelerator(settings)
    main = accelerator.is_main_process
    flow = needs_flow(network)
    seed = settings.seed
    training = open_data(data, "train", recipes.train, flow=flow, seed=seed)
    validation = open_data(data, "validation", recipes.validation, flow=flow, seed=seed)
    check_classes(network, training)
    watch = watch if main and watch else SilentWatcher()
    with memory_watched("for the network"):
        state = make_train_state(network, settings, accelerator)
    last = newest_checkpoint(out / CHECKPOINTS)
    inheritance = None
    if init_from is not None and last is None:
        # Before the folder is made: a parent that cannot be read must not leave a run behind.
        inheritance = inherit_file(state.model, init_from.weights, init_from.text)
    if main:
        open_folder(out, about_run(source.text, settings, data, recipes, init_from), resume=resume)
    accelerator.wait_for_everyone()
    if last is not None:
        with memory_watched("for the network"):
            _restore(state, last, out)
        watch.message(f"going on from step {last.iteration}")
    elif inheritance is not None:
        for line in inheritance.lines():
            watch.message(line)
    with contextlib.ExitStack() as stack:
        journal = board = None
        if main:
            kept = last.metrics_bytes if last else 0
            journal = stack.enter_context(Journal(out / METRICS, keep=kept))
            if tensorboard:
                board = stack.enter_context(Board(out / BOARD, last.iteration if last else 0))
        run = _Run(state, out, journal, board, watch, validation)
        if last is not None:
            run.done = last.iteration
        batches = training_batches(
            training,
            batch=settings.batch,
            seed=seed,
            start=run.done,
            workers=settings.workers,
            rank=accelerator.process_index,
            world=accelerator.num_processes,
        )
        stack.enter_context(contextlib.closing(cast("Generator[Batch]", batches)))
        evaluation = run.go(batches)
    result = run.result(evaluation)
    if main:
        save_weights(state.model, out / WEIGHTS)
        text = trained_text(source, state.model, evaluation.score())
        write_atomically(out / MODEL, text)
        write_atomically(out / RESULT, json.dumps(result.to_json(), indent=2) + "\n")
    accelerator.wait_for_everyone()
    return result


def _restore(state: TrainState, last: Checkpoint, folder: Path) -> None:
    """Put a checkpoint's state into a model that is ready to be trained."""
    try:
        state.model.load_state_dict(dict(last.model))
    except RuntimeError:
        raise CannotRun(f"{folder}: its checkpoints are of another network") from None
    set_momentum(state.optimiser, state.model, last.momentum)
    torch.set_rng_state(last.random)


@attrs.define(eq=False)
class _Run:
    """A run under way, in one process."""

    state: TrainState
    out: Path
    journal: Journal | None
    """None in all processes but the first."""
    board: Board | None
    watch: Watcher
    validation: Dataset
    done: int = 0
    """Steps."""
    pending: list[Step] = attrs.Factory(list)
    """Steps that are not written yet."""
    began: float = attrs.Factory(time.perf_counter)
    flushed: float = attrs.Factory(time.perf_counter)
    stepping: float = 0.0
    waited: float = 0.0

    def go(self, batches: Iterator[Batch]) -> Evaluation:
        """Train to the end. The last evaluation."""
        settings = self.state.settings
        with memory_watched("to train"):
            # A run that goes on from a checkpoint was stopped before it evaluated there.
            evaluation = self._evaluate() if self._is_due() else None
            self.flushed = time.perf_counter()
            for step in steps(self.state, batches, self.done):
                self.done = step.iteration + 1
                self.pending.append(step)
                saving = self.done % settings.save_every == 0 or self.done == settings.iterations
                if saving or self._is_due() or len(self.pending) == FLUSHED:
                    self._flush()
                if saving:
                    self._save()
                if self._is_due():
                    evaluation = self._evaluate()
                    self.flushed = time.perf_counter()
        assert evaluation is not None
        return evaluation

    def result(self, evaluation: Evaluation) -> TrainResult:
        """How it ended."""
        return TrainResult(
            self.state.settings.iterations,
            evaluation.measures(),
            sum(p.numel() for p in self.state.model.parameters()),
            time.perf_counter() - self.began,
            self.waited / self.stepping if self.stepping else 0.0,
        )

    def _is_due(self) -> bool:
        """Whether there is an evaluation after so many steps."""
        every = self.state.settings.evaluate_every
        last = self.done == self.state.settings.iterations
        return last or bool(self.done and every and self.done % every == 0)

    def _flush(self) -> None:
        """Read the losses, write them, and say how far it is. Raises NotANumber."""
        pending, self.pending = self.pending, []
        lines = step_lines(self.state, pending)
        # JSON has no NaN: the last line is the last good step's.
        self._write(*(line for line in lines if math.isfinite(line["loss"])))
        check_finite(lines, f"; {self.out / CHECKPOINTS} holds the last good state")
        now = time.perf_counter()
        passed, self.flushed = now - self.flushed, now
        self.stepping += passed
        self.waited += sum(step.waited for step in pending)
        settings = self.state.settings
        speed = settings.batch * len(pending) / passed
        mean = sum(line["loss"] for line in lines) / len(lines)
        rate = pending[-1].learning_rate
        self.watch.steps_done(StepReport(self.done, settings.iterations, mean, rate, speed))

    def _save(self) -> None:
        """Write a checkpoint, of numbers alone. Raises NotANumber."""
        model = self.state.model
        if not all(bool(t.isfinite().all()) for t in model.state_dict().values()):
            raise NotANumber(
                f"a weight is no number any more after step {self.done}; "
                f"{self.out / CHECKPOINTS} holds the last good state"
            )
        if self.journal is not None:
            momentum = momentum_of(self.state.optimiser, model)
            state = Checkpoint(
                self.done, self.journal.size, model.state_dict(), momentum, torch.get_rng_state()
            )
            save_checkpoint(self.out / CHECKPOINTS, state)

    def _evaluate(self) -> Evaluation:
        evaluation = validate(self.state, self.validation)
        measures = evaluation.measures()
        self._write({"iteration": self.done, "validation": numbers(measures)})
        said = "  ".join(f"{name} {value:.4g}" for name, value in measures.items())
        self.watch.message(f"validation after {self.done} steps: {said}")
        return evaluation

    def _write(self, *lines: dict[str, Any]) -> None:
        if self.journal is not None:
            self.journal.write(*lines)
        if self.board is not None:
            self.board.write(*lines)
