"""Display the progress and the result of `anetc finals`."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from anetc.cli.progress import open_display, progress_table, status_lines
from anetdsl.evolve.finals.finals_progress import (
    FinalsProgress,
    finals_progress,
    rates_of_search,
)
from anetdsl.terminal import duration, visible

if TYPE_CHECKING:
    from anetc.api.finals import FinalsResult
    from anetdsl.evolve.drive.run_reader import Run
    from anetdsl.evolve.finals.plan import Plan
    from anetdsl.evolve.trainings.training_runner import TrainingRunner

_MOST_RUNNING = 4
_DISPLAY_SECONDS = 0.25
_STAGES = {
    "rate": "learning rates",
    "comparison": "comparison",
    "full": "full training",
    "test": "test",
}

Watch = Callable[["TrainingRunner", "Plan", "Run"], Callable[["TrainingRunner"], None]]


@contextlib.contextmanager
def finals_display(name: str) -> Iterator[Watch]:
    """Yield a function that returns the `watch` of a runner, which displays the progress."""
    with open_display(name, keep=True) as display:

        def watching(
            _: TrainingRunner, plan: Plan, search: Run
        ) -> Callable[[TrainingRunner], None]:
            rates, last = rates_of_search(search), 0.0

            def watch(runner: TrainingRunner) -> None:
                nonlocal last
                if time.monotonic() - last < _DISPLAY_SECONDS:
                    return
                last = time.monotonic()
                progress = finals_progress(
                    plan,
                    runner.records,
                    workers=runner.trials.workers.capacity(),
                    candidate_rates=rates,
                )
                milestone = (progress.stage, progress.finished)
                display.update(
                    partial(progress_table, name, finals_rows(progress)),
                    finals_line(progress),
                    milestone,
                )

            return watch

        yield watching


def finals_rows(progress: FinalsProgress, *, driven: bool = True) -> list[tuple[str, str]]:
    """Return the rows of the table: label and value. See `evolve_screen.rows` about `driven`."""
    running = [f"{name} ({duration(seconds)})" for name, seconds in progress.running]
    if len(running) > _MOST_RUNNING:
        running[_MOST_RUNNING:] = [f"and {len(running) - _MOST_RUNNING} more"]
    failures = ", ".join(f"{name} ({failure})" for name, failure, _ in progress.failures)
    stage = ""
    if progress.stage is not None:
        stage = f"{_STAGES[progress.stage]}, {progress.stage_done} of {progress.stage_total}"
    return [
        ("finals", f"{progress.finished} of {progress.total}"),
        ("stage", stage),
        ("leading", _leading(progress)),
        ("winner", progress.winner or ""),
        ("running" if driven else "interrupted", ", ".join(running) if progress.stage else ""),
        ("failed", f"{progress.failed}, last {failures}" if progress.failed else ""),
        (
            "time left",
            "" if progress.seconds_left is None else f"about {duration(progress.seconds_left)}",
        ),
    ]


def finals_status(path: str, progress: FinalsProgress, *, driven: bool, run: str) -> str:
    """Return the lines of `--status` about finals in the folder `path`."""
    if progress.stage is None:
        state = "finished"
    elif driven:
        state = "running"
    else:
        state = f"stopped; resume with anetc finals {run}"
    return status_lines(path, state, finals_rows(progress, driven=driven))


def finals_line(progress: FinalsProgress) -> str:
    """Return the progress as one line."""
    parts = [f"finals {progress.finished}/{progress.total}"]
    if progress.stage is not None:
        parts.append(_STAGES[progress.stage])
    if leading := _leading(progress):
        parts.append(f"leading {leading}")
    if progress.failed:
        parts.append(f"failed {progress.failed}")
    if progress.seconds_left is not None:
        parts.append(f"left {duration(progress.seconds_left)}")
    return "  ".join(parts)


def next_steps(result: FinalsResult, plan: Plan) -> str:
    """Return the paths of the results, and commands that use the winner."""
    text, weights = shlex.quote(str(result.text)), shlex.quote(str(result.weights))
    data = shlex.quote(str(plan.trial["data"]))
    split = "" if plan.settings.test_split is None else f" --split {plan.test_split}"
    lines = [
        "the winner, its weights and the results:",
        *(f"  {path}" for path in (result.text, result.weights, result.table)),
        "next:",
        f"  anetc eval {text} --weights {weights} --data {data}{split}",
        f"  anetc compile {text} --weights {weights} --emit pt2 -o winner.pt2",
        f"  anetc train {text} --data {data} {' '.join(_train_options(result, plan))} "
        "--out retrained",
        f"  anetc report {shlex.quote(str(result.folder.parent))}",
    ]
    return "\n".join(map(visible, lines))


_TRAINING = (
    *("batch", "accumulate", "edge_rate", "edge_optimiser", "warmup", "momentum"),
    *("weight_decay", "label_smoothing", "precision"),
)
"""Settings of a training that are options with a value."""


def _train_options(result: FinalsResult, plan: Plan) -> Iterator[str]:
    """Yield the options of `anetc train` for a training such as the full one of the winner."""
    given = {**plan.trial.get("settings", {}), "iterations": plan.full_steps}
    if result.learning_rate is not None:
        given["learning_rate"] = result.learning_rate
    for name in ("iterations", "learning_rate", *_TRAINING):
        if given.get(name) is not None:
            yield f"--{name.replace('_', '-')} {given[name]}"
    recipe = plan.trial.get("recipe", {})
    if "frames" in recipe:
        yield f"--frames {recipe['frames']}"
    if "size" in recipe:
        yield f"--size {recipe['size'][0]}x{recipe['size'][1]}"


def _leading(progress: FinalsProgress) -> str:
    if progress.leading is None or progress.winner is not None:
        return ""
    interval = progress.leading.interval("fitness")
    assert interval is not None
    seeds = len(progress.leading.seeds)
    return f"{progress.leading.network} ({interval.mean:.2f}, {seeds} seed{'s' * (seeds != 1)})"
