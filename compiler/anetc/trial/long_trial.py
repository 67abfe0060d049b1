"""Trials of the finals: continue a long training, and evaluate trained weights."""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from anetc.data.spec import spec_text
from anetc.evaluation.eval_request import EvalRequest
from anetc.evaluation.fitness_error import fitness_error
from anetc.evaluation.weights_evaluation import EvalComputation, evaluate_weights
from anetc.training.failures import BadData
from anetc.training.memory_probe import with_parts
from anetc.training.run.checkpoint import checkpoints, read_checkpoint, restore_checkpoint
from anetc.training.run.records import json_measures
from anetdsl.cost import cost
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialResult
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from anetc.training.loop import TrainState
    from anetc.trial.job import TrialSetup
    from anetdsl.ir import Network

_log = logging.getLogger("anetc.training")


_PARTS = "parts.json"
"""File in the folder of checkpoints: the number of parts of a step, where memory did not suffice
for those of the job."""


def continue_from(folder: Path, state: TrainState) -> tuple[TrainState, int]:
    """Load the newest readable checkpoint of a folder.

    Return the state, with the recorded number of parts of a step, and the number of its steps; 0
    without a checkpoint. Make the folder if there is none, and delete damaged checkpoints. Raise
    CannotRun for the checkpoint of another network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(checkpoints(folder)):
        try:
            last = read_checkpoint(path)
        except CannotRun:
            with contextlib.suppress(OSError):
                path.unlink()
            continue
        if last.iteration <= state.settings.iterations:
            if (warning := restore_checkpoint(state, last, folder)) is not None:
                _log.warning(warning)
            parts = _recorded_parts(folder) or state.settings.accumulate
            return with_parts(state, parts), last.iteration
    return state, 0


def record_parts(folder: Path, parts: int) -> None:
    """Record the number of parts of a step, which the training has when it continues, too.

    The statistics of batch normalisation are those of a part, so the number must not change.
    """
    write_atomically(folder / _PARTS, json.dumps(parts) + "\n")


def _recorded_parts(folder: Path) -> int | None:
    try:
        match json.loads((folder / _PARTS).read_text(encoding="utf-8")):
            case int(parts) if parts > 0:
                return parts
    except (OSError, ValueError):
        pass
    return None


def evaluate_trained(network: Network, setup: TrialSetup, weights: Path) -> TrialResult:
    """Evaluate a weights file on the split of a job, by the protocol of the data (`anetc eval`).

    Raise BadData if the data cannot be evaluated on, or no video has a label.
    """
    settings = setup.settings
    # Clips are those of the training, which the weights file describes.
    data = spec_text(setup.data)
    request = EvalRequest(data, None, setup.split, None, None, None, None, None, seed=0)
    how = EvalComputation(
        batch=settings.batch,
        workers=settings.workers,
        device=settings.device,
        engine=settings.engine,
        precision=settings.precision,
        threads=settings.threads or 1,
    )
    try:
        evaluation, about, _ = evaluate_weights(network, str(weights), request, how)
    except CannotRun as error:
        raise BadData(str(error)) from None
    measures = json_measures(evaluation.measures())
    fitness = measures.pop("fitness", None)
    if fitness is None:
        raise BadData(f"no video of the {setup.split} split has a label")
    clip = setup.recipes.train
    counted = cost(network, frames=clip.frames, size=clip.size)
    return TrialResult(
        status="done",
        fitness=fitness,
        standard_error=fitness_error(evaluation),
        measures=measures,
        parameters=counted.parameters,
        multiply_adds=counted.multiply_adds,
        device=about["device"],
    )
