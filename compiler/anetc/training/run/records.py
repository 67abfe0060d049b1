"""The lines of metrics.jsonl: the loss before each step, and the measures of each validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from anetc.engines.engine_choice import evaluation_engine
from anetc.evaluation.runner import evaluate
from anetc.training.failures import NotANumber

if TYPE_CHECKING:
    from anetc.data.values import Dataset
    from anetc.evaluation.scores import Evaluation
    from anetc.training.loop import Step, TrainState

STEPS_PER_FLUSH = 10
"""Number of steps after which losses are read from the device: reading waits for it."""


def step_lines(state: TrainState, pending: Sequence[Step]) -> list[dict[str, Any]]:
    """Return a line for each step, up to the first whose loss is not finite.

    A loss is the mean over all processes, which call this function in the same order.
    """
    own = torch.stack([step.loss for step in pending])
    losses = state.accelerator.reduce(own, "mean").tolist()
    lines: list[dict[str, Any]] = []
    for step, loss in zip(pending, losses):
        line = {"iteration": step.iteration, "loss": loss, "learning_rate": step.learning_rate}
        lines.append(line)
        if not math.isfinite(loss):
            break
    return lines


def check_finite(lines: Sequence[Mapping[str, Any]], advice: str = "") -> None:
    """Raise NotANumber where the last line's loss is not finite."""
    if not math.isfinite(lines[-1]["loss"]):
        raise NotANumber(
            f"the loss is {lines[-1]['loss']} at step {lines[-1]['iteration']}; "
            f"a lower learning rate may help{advice}"
        )


def validate(state: TrainState, dataset: Dataset) -> Evaluation:
    """Evaluate the model as it is. All processes take part."""
    settings, accelerator = state.settings, state.accelerator
    return evaluate(
        evaluation_engine(state.model, state.device),
        state.network,
        dataset,
        batch=settings.batch // accelerator.num_processes // settings.accumulate,
        workers=settings.workers,
        device=accelerator.device,
        precision=state.device.precision,
    )


def counted(count: int, thing: str) -> str:
    """Return a number of things in words, such as 1 step or 2 steps."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def json_measures(measures: Mapping[str, float]) -> dict[str, float | None]:
    """Return measures for JSON, with None for a measure that is not finite."""
    return {name: value if math.isfinite(value) else None for name, value in measures.items()}
