"""Run a trial: train the candidate of a folder for some steps, evaluate it and write the result.

The files of the folder are those of `anetdsl.evolve.contract.TrialFolder`. The trial writes a log
while it runs, then the trained text and the weights, and the result last. Each file is complete or
absent. A failure is a result too, with the kind of the failure.
"""

from __future__ import annotations

import contextlib
import json
import logging
import platform
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import torch

import anetdsl
from anetc.data.batches.loader import needs_flow, training_batches
from anetc.data.open import open_data
from anetc.data.values import object_channels
from anetc.engines.matrix_product import used_product_library
from anetc.evaluation.fitness_error import fitness_error
from anetc.evaluation.runner import check_classes
from anetc.evaluation.scores import pooled
from anetc.memory import is_out_of_memory
from anetc.training.batch_norm import check_cells
from anetc.training.data_record import trained_on_of
from anetc.training.failures import BadData, TimedOut, TrainingFailure
from anetc.training.loop import TrainState, is_compact, make_accelerator, make_train_state, steps
from anetc.training.memory_probe import with_fitting_parts
from anetc.training.run.checkpoint import checkpoint_of, save_checkpoint, saved_steps
from anetc.training.run.journal import Journal
from anetc.training.run.records import (
    STEPS_PER_FLUSH,
    check_finite,
    json_measures,
    step_lines,
    validate,
)
from anetc.trial.job import TrialSetup, read_job
from anetc.trial.long_trial import continue_from, evaluate_trained, record_parts
from anetc.weights.files import save_weights
from anetc.weights.inherit.lookup import inherit_from_file
from anetc.weights.learned import learned_edge_weights, trained_text
from anetdsl.checking import check_file, network_of
from anetdsl.cost import cost
from anetdsl.errors import AnetError, CannotRun
from anetdsl.evolve.contract import TrialFailure, TrialFolder, TrialResult, TrialStatus
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from anetc.data.batches.loader import Batch
    from anetc.data.values import Dataset
    from anetc.evaluation.scores import Evaluation
    from anetc.weights.trained_on import TrainedOn
    from anetdsl.checking import Checked
    from anetdsl.ir import Network


_log = logging.getLogger("anetc.training")


def run_trial(folder: TrialFolder) -> TrialStatus:
    """Run the trial of a folder, write its result and return the result's status.

    Raise CannotRun if there is no valid job or no candidate, or the result cannot be written.
    """
    setup = read_job(folder)
    checked = check_file(folder.candidate)
    began = time.perf_counter()
    try:
        if setup.evaluate is None:
            result = _train_and_evaluate(folder, checked, setup, began)
        else:
            result = evaluate_trained(network_of(checked), setup, setup.evaluate)
            write_atomically(folder.trained, checked.source.text)
    except Exception as error:
        result = _failure(error)
    result = attrs.evolve(
        result,
        seed=setup.settings.seed,
        versions={**versions(), **result.versions},
        seconds=time.perf_counter() - began,
        peak_memory=peak_memory(),
    )
    write_atomically(folder.result, json.dumps(result.to_json(), indent=2) + "\n")
    return result.status


@attrs.frozen
class _Trained:
    """A candidate that was trained and evaluated on one fold."""

    state: TrainState
    evaluation: Evaluation
    trained_on: TrainedOn
    inherited: tuple[str, ...] | None
    """Report of the inherited weights, by line; None if training started afresh."""


def _train_and_evaluate(
    folder: TrialFolder, checked: Checked, setup: TrialSetup, began: float
) -> TrialResult:
    """Train and evaluate the candidate, and write the trained text and the weights.

    With several folds, text and weights are those of the fold that the seed chooses, and the
    measures are those of the validation clips of all folds.
    """
    network = network_of(checked)
    torch.set_num_threads(setup.settings.threads or 1)
    deadline = None if setup.timeout is None else began + setup.timeout
    trained = _train_on_fold(network, setup, folder.log, folder.weights, deadline)
    evaluation = trained.evaluation
    for number, data in enumerate(setup.folds, 1):
        other = attrs.evolve(
            setup,
            data=data,
            checkpoints=None if setup.checkpoints is None else setup.checkpoints / f"fold-{number}",
        )
        log = folder.log.with_name(f"log-fold-{number}.jsonl")
        evaluation = pooled(
            evaluation, _train_on_fold(network, other, log, None, deadline).evaluation
        )
    result = attrs.evolve(
        _result(trained.state, evaluation, setup),
        trained_on=trained.trained_on.to_json(),
        inherited=trained.inherited,
    )
    text = trained_text(checked.source, trained.state.model, evaluation.score())
    write_atomically(folder.trained, text)
    return result


def _train_on_fold(
    network: Network, setup: TrialSetup, log: Path, weights: Path | None, deadline: float | None
) -> _Trained:
    """Train and evaluate on the data of a setup; save the weights if there is a path for them."""
    training, evaluated = _open(network, setup)
    check_cells(network, setup.settings, setup.recipes.train)
    trained_on = trained_on_of(training, evaluated, setup.recipes)
    saved = 0 if setup.checkpoints is None else saved_steps(setup.checkpoints)
    state = make_train_state(network, setup.settings, make_accelerator(setup.settings), saved)
    logging.getLogger("anetc.training").info(state.device.line())
    inherited: tuple[str, ...] | None = None
    if (parent := setup.init_from) is not None:
        report = inherit_from_file(
            state.model, parent.weights, parent.text, parent.operations, classes=training.classes
        )
        inherited = report.lines()
    done = 0
    if setup.checkpoints is not None:
        state, done = continue_from(setup.checkpoints, state)
    with Journal(log) as journal:
        batches = training_batches(
            training,
            batch=setup.settings.batch,
            seed=setup.settings.seed,
            start=done,
            workers=setup.settings.workers,
            compact=is_compact(state),
        )
        with contextlib.closing(batches):
            clips: Iterator[Batch] = batches
            if done == 0:
                state, clips = with_fitting_parts(state, batches, _log.warning)
                parts = state.settings.accumulate
                if setup.checkpoints is not None and parts != setup.settings.accumulate:
                    record_parts(setup.checkpoints, parts)
            _train(state, clips, journal, deadline, setup.checkpoints, done)
        if weights is not None:
            # Before the evaluation, which may need more memory than there is.
            save_weights(state.model, weights, trained_on)
        evaluation = validate(state, evaluated)
        measures = json_measures(evaluation.measures())
        journal.write({"iteration": setup.settings.iterations, "validation": measures})
    _check_time(deadline)
    return _Trained(state, evaluation, trained_on, inherited)


def _open(network: Network, setup: TrialSetup) -> tuple[Dataset, Dataset]:
    """Open the videos for training and those for the evaluation. Raise BadData."""
    try:
        flow, objects = needs_flow(network), object_channels(network)
        recipes = setup.recipes
        training = open_data(setup.data, "train", recipes.train, flow=flow, objects=objects)
        evaluated = open_data(
            setup.data, setup.split, recipes.validation, flow=flow, objects=objects
        )
    except CannotRun as error:
        raise BadData(str(error)) from None
    check_classes(network, training)
    return training, evaluated


def _train(
    state: TrainState,
    batches: Iterator[Batch],
    journal: Journal,
    deadline: float | None,
    checkpoints: Path | None,
    done: int,
) -> None:
    """Do all training steps after the first `done`. Raise NotANumber or TimedOut."""
    pending = []
    for step in steps(state, batches, done):
        pending.append(step)
        finished = step.iteration + 1
        is_saved = checkpoints is not None and finished % state.settings.save_every == 0
        if len(pending) == STEPS_PER_FLUSH or finished == state.settings.iterations or is_saved:
            lines = step_lines(state, pending)
            check_finite(lines)
            journal.write(*lines)
            pending = []
        if checkpoints is not None and is_saved:
            save_checkpoint(checkpoints, checkpoint_of(state, finished))
        _check_time(deadline)


def _check_time(deadline: float | None) -> None:
    if deadline is not None and time.perf_counter() > deadline:
        raise TimedOut("the time limit of the job has passed")


def _result(state: TrainState, evaluation: Evaluation, setup: TrialSetup) -> TrialResult:
    """Return the result of an evaluation. Raise BadData if no video has a label."""
    measures = json_measures(evaluation.measures())
    fitness = measures.pop("fitness")
    if fitness is None:
        raise BadData(
            f"no video of the {setup.split} split has a label, so the candidate has no fitness"
        )
    recipe = setup.recipes.train
    counted = cost(state.network, frames=recipe.frames, size=recipe.size)
    return TrialResult(
        status="done",
        fitness=fitness,
        standard_error=fitness_error(evaluation),
        measures=measures,
        edges=learned_edge_weights(state.model),
        parameters=counted.parameters,
        multiply_adds=counted.multiply_adds,
        device=state.used_device.to_json(),
        versions=_libraries(state),
        parts=state.settings.accumulate,
    )


def _libraries(state: TrainState) -> dict[str, str]:
    """Return the libraries that have computed the steps, by which the numbers round."""
    products = used_product_library()
    return {"kernels": state.kernels} | ({} if products is None else {"products": products})


def _failure(error: Exception) -> TrialResult:
    """Return the result of a trial that an exception ended."""
    kind: TrialFailure = "error"
    message = str(error)
    if is_out_of_memory(error):
        kind = "out_of_memory"
        message = "there is not enough memory" + (f": {message}" if message else "")
    elif isinstance(error, TrainingFailure):
        kind = error.kind
    elif not isinstance(error, CannotRun | AnetError):
        # A bug: the search continues, and the message names the place for a bug report.
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno} in {place.name}"
        message = f"internal error: {type(error).__name__}: {message} ({where})"
    return TrialResult(status="failed", failure=kind, message=message)


def peak_memory() -> int:
    """Return the largest memory so far, in bytes: of the GPU if one is used, else resident."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.max_memory_reserved()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def versions() -> dict[str, str]:
    """Return the versions of the packages and the platform that the numbers may depend on."""
    return {
        "anetdsl": anetdsl.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
    }
