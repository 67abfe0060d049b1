"""What a run will cost, reported before its first step, with the cheaper choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anetc.data.batches.loader import needs_flow
from anetc.data.upkeep.flow_files import flow_command
from anetc.data.upkeep.missing_flow import training_flow
from anetc.training.failures import report_out_of_memory
from anetc.training.step_cost import StepTimer, advice_line, measure_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anetc.data.recipes import Recipes
    from anetc.data.values import Dataset, DataSpec
    from anetc.training.loop import TrainState
    from anetc.training.run.watcher import Watcher

_GPU_WARM_UP = 1


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
    if needs_flow(state.network):
        for line in _flow_lines(spec, recipes):
            watch.message(line)
    with report_out_of_memory("to train"):
        cost = measure_step(state, training, recipes.train, done)
    if cost is None:
        return None
    watch.message(cost.line(left))
    advice = cost.advice(recipes.train, steps=left, videos=len(training), batch=settings.batch)
    if found := list(advice):
        watch.message(advice_line(found))
    on_cpu = state.accelerator.device.type == "cpu"
    return StepTimer(cost, 0 if on_cpu else _GPU_WARM_UP)


def _flow_lines(spec: DataSpec, recipes: Recipes) -> Iterator[str]:
    """Yield a line about the flow that is not in the cache, and how to compute it once."""
    needs = training_flow(spec, recipes)
    missing, total = sum(need.missing() for need in needs), sum(len(need.paths) for need in needs)
    if not missing:
        return
    command = flow_command(spec, [need.folder.key for need in needs])
    part = "" if missing == total else f" of {missing:,} of the {total:,} videos"
    yield (
        f"the optical flow{part} is not in the cache, so it is computed again for each clip; "
        f"--make-flow computes that of training and validation once, before the first step, "
        f"`{command}` that of all videos"
    )
