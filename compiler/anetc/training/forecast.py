"""Report the cost of a run before its first step, with the cheaper choices."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from anetc.data.batches.loader import needs_flow
from anetc.data.spec import spec_text
from anetc.data.upkeep.missing_flow import (
    compute_needed,
    has_flow_cache,
    missing_flow,
    training_flow,
)
from anetc.training.failures import report_out_of_memory
from anetc.training.step_cost import StepTimer, measure_step
from anetdsl.errors import CannotRun
from anetdsl.terminal import duration

if TYPE_CHECKING:
    from anetc.data.recipes import Recipes
    from anetc.data.values import Dataset, DataSpec
    from anetc.training.loop import TrainState
    from anetc.training.run.watcher import Watcher

_SECONDS_BETWEEN_LINES = 30.0
_MAX_FAILURES = 3
"""Most videos whose failure is reported."""


def make_missing_flow(spec: DataSpec, recipes: Recipes, workers: int, watch: Watcher) -> None:
    """Compute the optical flow of the training and validation videos that is not in the cache.

    Videos that cannot be read are reported. Raises CannotRun for data that are not videos, and
    where a file cannot be written.
    """
    if not has_flow_cache(spec):
        raise CannotRun(
            f"--make-flow: the flow of {spec_text(spec)} is not cached; leave out this option"
        )
    for need in training_flow(spec, recipes):
        missing = need.missing()
        if missing:
            watch.message(
                f"computing the optical flow of {missing:,} videos into {need.folder.path}"
            )
        report = _FlowReport(watch, len(need.paths))
        summary = compute_needed(need, workers, report)
        for reason in summary.failures[:_MAX_FAILURES]:
            watch.message(f"warning: no optical flow of {reason}")
        if len(summary.failures) > _MAX_FAILURES:
            more = len(summary.failures) - _MAX_FAILURES
            watch.message(f"warning: nor of {more:,} more videos; see `anetc data check`")


@attrs.define
class _FlowReport:
    """A function that reports the number of videos whose flow is done, every half minute."""

    watch: Watcher
    total: int
    began: float = attrs.field(factory=time.monotonic)
    reported: float = attrs.field(factory=time.monotonic)

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.reported < _SECONDS_BETWEEN_LINES:
            return
        self.reported = now
        left = duration((now - self.began) * (self.total - done) / done)
        self.watch.message(f"optical flow: {done:,} of {self.total:,} videos, about {left} left")


def show_forecast(
    state: TrainState,
    training: Dataset,
    spec: DataSpec,
    recipes: Recipes,
    watch: Watcher,
    done: int,
) -> StepTimer | None:
    """Report what a step costs, how long the other steps of the run take, and what is cheaper.

    `done` is the number of finished steps. Return the timer of the first steps; None if nothing is
    left to do or no video can be read.
    """
    settings = state.settings
    left = settings.iterations - done
    if left < 1:
        return None
    if len(training.classes) == 1:
        watch.message(
            f"warning: the data have one class only, {training.classes[0]}: there is nothing to "
            "learn; is this the right folder?"
        )
    missing = _missing_flow_line(spec, recipes) if needs_flow(state.network) else None
    if missing is not None:
        watch.message(missing)
    with report_out_of_memory("to train"):
        cost = measure_step(state, training, recipes.train, done)
    if cost is None:
        return None
    watch.message(cost.line(left))
    advice = cost.advice(
        recipes.train,
        steps=left,
        videos=len(training),
        batch=settings.batch,
        misses_flow=missing is not None,
    )
    if found := "; ".join(advice):
        watch.message(f"cheaper: {found}")
    is_slow_at_first = state.accelerator.device.type != "cpu" or settings.workers > 0
    return StepTimer(cost, warm_up=int(is_slow_at_first))


def _missing_flow_line(spec: DataSpec, recipes: Recipes) -> str | None:
    """Return a line about the flow that is not in the cache, and how to compute it once."""
    found = missing_flow(spec, recipes)
    if found is None:
        return None
    return (
        f"the optical flow{found.part} is not in the cache, so it is computed again for each clip; "
        f"--make-flow computes that of training and validation once, before the first step, "
        f"`{found.command}` that of all videos"
    )
