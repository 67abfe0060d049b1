"""One trial of a search: a candidate is trained for some steps and judged, in a folder of its own.

The folder holds `candidate.anet` and `job.json`. It gets `log.jsonl` while the trial runs; in the
end `trained.anet` and `weights.safetensors`, and after all others `result.json`, each of them
complete or not at all. Whatever happens in between is a result too, with the kind of the failure.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

import anetdsl
from anetc.data.batches.loader import needs_flow, training_batches
from anetc.data.open import open_data
from anetc.evaluation.runner import check_classes
from anetc.memory import is_out_of_memory
from anetc.training.failures import BadData, Failure, TimedOut, TrainingFailure
from anetc.training.loop import TrainState, make_accelerator, make_train_state, steps
from anetc.training.run.journal import Journal
from anetc.training.run.records import (
    STEPS_PER_FLUSH,
    check_finite,
    json_measures,
    step_lines,
    validate,
)
from anetc.trial.job import Job, read_job
from anetc.weights.files import save_weights
from anetc.weights.inherit.lookup import inherit_file
from anetc.weights.learned import learned_edges, trained_text
from anetdsl.checking import check_file, network_of
from anetdsl.cost import cost
from anetdsl.errors import AnetError, CannotRun
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from anetc.data.batches.loader import Batch
    from anetc.data.values import Dataset
    from anetc.evaluation.scores import Evaluation
    from anetdsl.checking import Checked
    from anetdsl.ir import Network

SCHEMA = "anetdsl-trial-result"
SCHEMA_VERSION = 1
CANDIDATE = "candidate.anet"
TRAINED = "trained.anet"
WEIGHTS = "weights.safetensors"
LOG = "log.jsonl"
RESULT = "result.json"

Status = Literal["done", "failed"]


def run_trial(folder: Path) -> Status:
    """Do the trial in a folder, and write its result. Says how it ended.

    Raises CannotRun where there is no job to do, or no result can be written.
    """
    job = read_job(folder)
    checked = check_file(folder / CANDIDATE)
    began = time.perf_counter()
    known: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "status": "failed",
        "seed": job.settings.seed,
        "versions": versions(),
    }
    try:
        known |= _do(folder, checked, job, began)
        known["status"] = "done"
    except (Exception, MemoryError) as error:
        known |= _described(error)
    known["seconds"] = time.perf_counter() - began
    known["peak_memory"] = peak_memory()
    write_atomically(folder / RESULT, json.dumps(known, indent=2) + "\n")
    return "done" if known["status"] == "done" else "failed"


def _do(folder: Path, checked: Checked, job: Job, began: float) -> dict[str, Any]:
    """The trial itself: what a result says of one that was done."""
    network = network_of(checked)
    torch.set_num_threads(job.settings.threads or 1)
    deadline = None if job.timeout is None else began + job.timeout
    training, validation = _open(network, job)
    state = make_train_state(network, job.settings, make_accelerator(job.settings))
    inherited: tuple[str, ...] | None = None
    if job.init_from is not None:
        report = inherit_file(
            state.model, job.init_from.weights, job.init_from.text, job.init_from.operations
        )
        inherited = report.lines()
    with Journal(folder / LOG) as journal:
        batches = training_batches(training, batch=job.settings.batch, seed=job.settings.seed)
        _train(state, batches, journal, deadline)
        evaluation = validate(state, validation)
        journal.write(
            {
                "iteration": job.settings.iterations,
                "validation": json_measures(evaluation.measures()),
            }
        )
    _check_time(deadline)
    found = _result(state, evaluation, job)
    text = trained_text(checked.source, state.model, evaluation.score())
    write_atomically(folder / TRAINED, text)
    save_weights(state.model, folder / WEIGHTS)
    return {**found, "inherited": inherited}


def _open(network: Network, job: Job) -> tuple[Dataset, Dataset]:
    """What is trained on, and what is judged by."""
    flow = needs_flow(network)
    try:
        training = open_data(job.data, "train", job.recipes.train, flow=flow)
        other = open_data(job.data, job.split, job.recipes.validation, flow=flow)
    except CannotRun as error:
        raise BadData(str(error)) from None
    check_classes(network, training)
    return training, other


def _train(
    state: TrainState, batches: Iterator[Batch], journal: Journal, deadline: float | None
) -> None:
    pending = []
    for step in steps(state, batches):
        pending.append(step)
        if len(pending) == STEPS_PER_FLUSH or step.iteration + 1 == state.settings.iterations:
            lines = step_lines(state, pending)
            check_finite(lines)
            journal.write(*lines)
            pending = []
        _check_time(deadline)


def _check_time(deadline: float | None) -> None:
    if deadline is not None and time.perf_counter() > deadline:
        raise TimedOut("the time that the job allows has passed")


def _result(state: TrainState, evaluation: Evaluation, job: Job) -> dict[str, Any]:
    measures = json_measures(evaluation.measures())
    fitness = measures.pop("fitness")
    if fitness is None:
        raise BadData(
            f"no video of the {job.split} split has a label: there is nothing to judge by"
        )
    recipe = job.recipes.train
    counted = cost(state.network, frames=recipe.frames, size=recipe.size)
    return {
        "fitness": fitness,
        "measures": measures,
        "edges": learned_edges(state.model),
        "parameters": counted.parameters,
        "multiply_adds": counted.multiply_adds,
    }


def _described(error: BaseException) -> dict[str, Any]:
    """What a result says of a failure."""
    kind: Failure = "error"
    message = str(error)
    if is_out_of_memory(error):
        kind = "out_of_memory"
        message = "there is not enough memory" + (f": {message}" if message else "")
    elif isinstance(error, TrainingFailure):
        kind = error.kind
    elif not isinstance(error, CannotRun | AnetError):
        # A mistake of ours: the search goes on, and whoever looks into it finds the place.
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno} in {place.name}"
        message = f"internal error: {type(error).__name__}: {message} ({where})"
    return {"failure": kind, "message": message}


def peak_memory() -> int:
    """The most bytes that this process has had in memory."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def versions() -> dict[str, str]:
    """What the numbers of a trial may depend on."""
    return {
        "anetdsl": anetdsl.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
    }
