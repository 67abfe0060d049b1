"""A training run in its own folder, which can be stopped at any moment and resumed.

`RUN/run.json` holds the data, the clips and the settings: --resume requires the same.
`RUN/videos.jsonl` lists the videos, to name those that have changed when a run is resumed.
`RUN/metrics.jsonl` holds the loss of each step and the measures of each validation;
`RUN/checkpoints/` the last two checkpoints. A finished run also has `weights.safetensors`,
`model.anet` and `result.json`. With early stopping, `best.safetensors` and `best.anet` are the
weights and the text of the best validation so far.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import torch

from anetc.data.batches.loader import Batch, needs_flow, training_batches
from anetc.data.formats.video_dataset import no_flow_warning
from anetc.data.open import open_data
from anetc.data.values import object_channels
from anetc.evaluation.runner import check_classes
from anetc.process_start import processor_count
from anetc.training.batch_norm import check_cells
from anetc.training.data_record import record_of, trained_on_of, write_videos
from anetc.training.failures import report_out_of_memory
from anetc.training.forecast import make_missing_flow, show_forecast
from anetc.training.loop import (
    TrainState,
    is_compact,
    make_accelerator,
    make_train_state,
    training_device,
)
from anetc.training.memory_probe import with_fitting_parts, with_parts
from anetc.training.run.board import open_board
from anetc.training.run.checkpoint import newest_checkpoint, restore_checkpoint, saved_steps
from anetc.training.run.early_stopping import (
    BestValidation,
    EarlyStopping,
    restore_early_stopping,
)
from anetc.training.run.extension import earlier_ends, extensions_of, extensions_to_json
from anetc.training.run.journal import Journal
from anetc.training.run.records import json_measures
from anetc.training.run.run_claim import claimed
from anetc.training.run.run_folder import (
    BEST_MODEL,
    BEST_WEIGHTS,
    CHECKPOINTS,
    DEVICE,
    KERNELS,
    METRICS,
    MODEL,
    PARTS,
    RESULT,
    RUN,
    WEIGHTS,
    check_run,
    open_run_folder,
    record_parts,
    recorded_parts,
    run_description,
)
from anetc.training.run.run_loop import RunLoop
from anetc.training.run.speed import SPEED, speed_meter
from anetc.training.run.stop_request import StopRequest
from anetc.training.run.watcher import SilentWatcher, Watcher
from anetc.weights.files import save_weights
from anetc.weights.inherit.lookup import inherit_from_file
from anetc.weights.learned import trained_text
from anetdsl.checking import check_source, network_of
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from anetc.data.recipes import Recipes
    from anetc.data.values import Dataset, DataSpec
    from anetc.devices import Device
    from anetc.evaluation.scores import Evaluation
    from anetc.training.settings import Parent, TrainSettings
    from anetc.weights.trained_on import TrainedOn
    from anetdsl.source import SourceFile


@attrs.frozen
class TrainResult:
    """The result of a finished run."""

    iterations: int
    measures: dict[str, float]
    """Measures of the last validation, as in `Evaluation.measures`."""
    parameters: int
    """Number of parameters of the network."""
    seconds: float
    """Time since this process began to train; a resumed run does not count earlier processes."""
    waiting: float
    """Fraction of the steps' time that was spent waiting for clips."""
    best: BestValidation | None = None
    """The best validation, whose weights are in best.safetensors; None without early stopping."""
    device: Device | None = None
    """Device, precision and engine of the last process."""

    def to_json(self) -> dict[str, Any]:
        """Return the content of result.json. A measure that is not finite is null."""
        return {
            "schema": "anetdsl-training-result",
            "schema_version": 1,
            **attrs.asdict(self),
            "measures": json_measures(self.measures),
            "device": None if self.device is None else self.device.to_json(),
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
    log: Collection[str] = (),
    accept_changed_videos: bool = False,
    make_flow: bool = False,
    watch: Watcher | None = None,
    stop: StopRequest | None = None,
) -> TrainResult:
    """Train the network of a text in the folder `out`, or resume the run in that folder.

    Several processes call it alike; the first one writes. A resumed run needs the same classes and
    videos; with `accept_changed_videos` it goes on with other videos. With `make_flow` the optical
    flow of training and validation that is not in the cache is computed first. `log` names services
    that get the metrics (`anetc.training.run.board.SERVICES`). Raises AnetError for
    a text with errors; CannotRun (or its subclass TrainingFailure) where the run cannot start or
    continue, and the last checkpoint stays; KeyboardInterrupt where `stop` requests it, after a
    checkpoint.
    One process at a time trains in a folder. A run that fails before its first step leaves nothing.
    """
    with claimed(out, SilentWatcher().message if watch is None else watch.message):
        return _train(
            source,
            settings,
            data,
            recipes,
            out,
            resume=resume,
            init_from=init_from,
            log=log,
            accept_changed_videos=accept_changed_videos,
            make_flow=make_flow,
            watch=watch,
            stop=stop,
        )


def _train(
    source: SourceFile,
    settings: TrainSettings,
    data: DataSpec,
    recipes: Recipes,
    out: Path,
    *,
    resume: bool,
    init_from: Parent | None,
    log: Collection[str],
    accept_changed_videos: bool,
    make_flow: bool,
    watch: Watcher | None,
    stop: StopRequest | None,
) -> TrainResult:
    network = network_of(check_source(source))
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    saved = saved_steps(out / CHECKPOINTS)
    device = training_device(settings, saved)
    # `auto` must not become another precision where the run is resumed.
    settings = attrs.evolve(settings, precision=device.precision)
    accelerator = make_accelerator(settings)
    is_first = accelerator.is_main_process
    watch = watch if is_first and watch else SilentWatcher()
    flow, objects = needs_flow(network), object_channels(network)
    watch.message(device.line())
    has_forecast = not isinstance(watch, SilentWatcher)
    # The forecast reports missing flow.
    with no_flow_warning() if has_forecast or make_flow else contextlib.nullcontext():
        datasets = training, validation = _open_splits(data, recipes, flow=flow, objects=objects)
    trained_on = trained_on_of(training, validation, recipes)
    record = record_of(datasets, trained_on)
    description = run_description(source.text, settings, data, recipes, init_from, record)
    warning = None
    if resume:
        # First of all: what differs since the start explains later failures.
        warning = check_run(out, description, datasets, accept_changed_videos=accept_changed_videos)
    check_classes(network, training)
    check_cells(network, settings, recipes.train)
    if make_flow and flow:
        if accelerator.num_processes > 1:
            raise CannotRun(
                "--make-flow: only a single process computes flow; run `anetc data flow` first"
            )
        make_missing_flow(data, recipes, settings.workers or processor_count(), watch)
        # Only now the readers find the cache.
        datasets = training, validation = _open_splits(data, recipes, flow=flow, objects=objects)
    elif make_flow:
        watch.message("--make-flow: the network has no input of optical flow, so none is computed")
    with report_out_of_memory("for the network"):
        state = make_train_state(network, settings, accelerator, saved)
    last = newest_checkpoint(out / CHECKPOINTS)
    done = last.iteration if last else 0
    extensions = extensions_of(out / RUN, settings.iterations, done)
    inheritance = None
    if init_from is not None and last is None:
        # Before the folder is made: a parent that cannot be read must not leave a run.
        inheritance = inherit_from_file(
            state.model,
            init_from.weights,
            init_from.text,
            init_from.operations,
            other_classes=init_from.new_head,
            classes=training.classes,
        )
    parts = recorded_parts(out) if done else None
    if parts is not None:
        description |= {PARTS: parts}
        state = with_parts(state, parts)
    if is_first:
        description |= {**extensions_to_json(extensions), DEVICE: device.to_json()}
        description |= {KERNELS: state.kernels}
        open_run_folder(out, description, resume=resume)
        write_videos(out, datasets)
    accelerator.wait_for_everyone()
    if warning is not None:
        watch.message(f"warning: {warning}")
    if last is not None:
        warning = restore_checkpoint(state, last, out)
        watch.message(f"resuming after step {done}")
        if warning is not None:
            watch.message(f"warning: {warning}")
    elif inheritance is not None:
        for line in inheritance.lines():
            watch.message(line)

    timer = None
    if has_forecast:
        timer = show_forecast(state, training, data, recipes, watch, done)
    start = time.perf_counter()
    kept = last.metrics_bytes if last else 0
    # Without --patience the state is kept as it was, for a later --patience.
    state_before, warning = restore_early_stopping(
        settings.patience or 1, out / BEST_WEIGHTS, done, last.without_gain if last else 0
    )
    early = None if settings.patience is None else state_before
    if early is not None and warning is not None:
        watch.message(f"warning: {warning}")
    with contextlib.ExitStack() as stack:
        batches: Iterator[Batch] = stack.enter_context(_batches(training, state, done))
        if done == 0:
            with report_out_of_memory("to train"):
                state, batches = with_fitting_parts(state, batches, watch.message)
            if is_first and state.settings.accumulate > settings.accumulate:
                record_parts(out, state.settings.accumulate)
        loop = RunLoop(
            state,
            out,
            validation,
            watch,
            stop or StopRequest(),
            early=early,
            without_gain=state_before.without_gain,
            earlier_ends=earlier_ends(extensions),
            timer=timer,
            done=done,
        )
        if is_first:
            best_files = (out / BEST_MODEL, out / BEST_WEIGHTS)
            loop.keep_best = functools.partial(
                _write_best, best_files, source, state, trained_on, early
            )
            loop.journal = stack.enter_context(Journal(out / METRICS, keep=kept, done=done))
            if loop.journal.warning is not None:
                watch.message(f"warning: {loop.journal.warning}")
            for service in log:
                board = open_board(service, out, done, description, watch.message)
                loop.boards.append(stack.enter_context(board))
            loop.meter = speed_meter(
                network,
                recipes.train,
                device,
                settings.batch,
                accelerator.num_processes,
                out / SPEED,
            )
            loop.keep_last = functools.partial(save_weights, state.model, out / WEIGHTS, trained_on)
        evaluation = loop.finish(batches)
    result = TrainResult(
        iterations=loop.done,
        measures=evaluation.measures(),
        parameters=sum(p.numel() for p in state.model.parameters()),
        seconds=time.perf_counter() - start,
        waiting=loop.waited / loop.stepping if loop.stepping else 0.0,
        best=None if early is None else early.best,
        device=state.used_device,
    )
    if is_first:
        _write_model((out / MODEL, out / WEIGHTS), source, state, trained_on, evaluation)
        write_atomically(out / RESULT, json.dumps(result.to_json(), indent=2) + "\n")
    accelerator.wait_for_everyone()
    return result


def _open_splits(
    data: DataSpec, recipes: Recipes, *, flow: bool, objects: int | None
) -> tuple[Dataset, Dataset]:
    """Return the videos for training and for validation."""
    return (
        open_data(data, "train", recipes.train, flow=flow, objects=objects),
        open_data(data, "validation", recipes.validation, flow=flow, objects=objects),
    )


def _batches(
    training: Dataset, state: TrainState, start: int
) -> contextlib.closing[Generator[Batch, None, None]]:
    """Return the batches of this process, from batch `start` on."""
    return contextlib.closing(
        training_batches(
            training,
            batch=state.settings.batch,
            seed=state.settings.seed,
            start=start,
            workers=state.settings.workers,
            rank=state.accelerator.process_index,
            world=state.accelerator.num_processes,
            compact=is_compact(state),
        )
    )


def _write_best(
    files: tuple[Path, Path],
    source: SourceFile,
    state: TrainState,
    trained_on: TrainedOn,
    early: EarlyStopping | None,
    evaluation: Evaluation,
) -> None:
    """Write the best weights so far, which name their validation."""
    best = None if early is None else early.best
    validation = None if best is None else best.to_json()
    _write_model(files, source, state, trained_on, evaluation, validation)


def _write_model(
    files: tuple[Path, Path],
    source: SourceFile,
    state: TrainState,
    trained_on: TrainedOn,
    evaluation: Evaluation,
    validation: dict[str, Any] | None = None,
) -> None:
    """Write the text with the learned edge weights and the score, and the weights."""
    text, weights = files
    save_weights(state.model, weights, trained_on, validation)
    write_atomically(text, trained_text(source, state.model, evaluation.score()))
