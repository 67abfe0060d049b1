"""`anetc.finals`: from a finished search to a network that one would publish."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anetc.api.search_device import search_device_line
from anetc.api.search_settings import MAY_CHANGE, with_options
from anetc.trial.search_data import check_search_data
from anetdsl.api import parse
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import Split
from anetdsl.evolve.drive.lock import is_driven
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.drive.store import open_for_reading
from anetdsl.evolve.finals.contestants import choose_contestants, read_beside
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.finals.plan import Plan, read_plan, write_plan
from anetdsl.evolve.settings.finals_settings import FULL_FACTOR, STEPS_FACTOR, FinalsSettings
from anetdsl.evolve.settings.run_settings import Running, RunSettings, read_run_settings
from anetdsl.settings_reader import option_values, read_changes

if TYPE_CHECKING:
    from anetdsl.evolve.trainings.training_runner import TrainingRunner

_SETTINGS = tuple(attrs.fields_dict(FinalsSettings))


@attrs.frozen
class FinalsResult:
    """The state of finals after `finals`."""

    folder: Path
    """Folder of the finals."""
    plan: Plan
    """Networks and settings of the finals."""
    is_finished: bool
    """False if the finals were stopped; they can be resumed."""
    winner: str | None
    """Name of the winner; None if the finals are not finished."""
    learning_rate: float | None
    """Learning rate that was chosen for the winner; None is that of the search's trainings."""
    text: Path
    """Text of the winner with its learned edge weights."""
    weights: Path
    """Weights of the winner."""
    table: Path
    """Results as Markdown; table.json beside it has them as JSON."""


def finals(
    run: str | os.PathLike[str],
    *,
    accept_changed_videos: bool = False,
    ready: Callable[[TrainingRunner, Plan, Run], None] = lambda *_: None,
    warn: Callable[[str], None] = lambda _: None,
    message: Callable[[str], None] = lambda _: None,
    **settings: Any,
) -> FinalsResult:
    """Compare the best networks of a search, and train the best one fully, as `anetc finals` does.

    The best networks, and each of them pruned, are trained afresh with several seeds and compared
    on the split by which candidates were evaluated. The winner is trained for the full number of
    steps. The test split is evaluated once, at the end. Finals that were stopped continue when this
    function is called again.

    Args:
        run: Folder of a search.
        accept_changed_videos: Go on although videos were added or removed since the search began.
        ready: Called with the runner, the plan and the search before the first training; it may set
            `watch` of the runner, and keep the runner to stop it by its `stopping`.
        warn: Called with a warning, such as about a search that is not finished.
        message: Called with a line about the device of the trainings, before they start.
        **settings: The options of `anetc finals` with `_` for `-` (fields of `FinalsSettings`), and
            those of running trainings, such as `executor` and `gpus`. Others are as in [finals] of
            the settings of the search.

    Raises:
        CannotRun: A setting is wrong, the search has no result, or the finals cannot continue.
    """
    from anetdsl.evolve.finals.finals_driver import drive_finals

    given = option_values(settings)
    given.check_names((*_SETTINGS, *MAY_CHANGE))
    search = read_run(Path(run))
    current = _current_settings(RunDir(search.path))
    chosen = {name: value for name, value in given.values.items() if name in _SETTINGS}
    directory = FinalsDir.of(search.path)
    plan = read_plan(directory)
    default = plan.settings if plan is not None else current.finals or FinalsSettings()
    wanted = read_changes(option_values(chosen), default)
    if plan is not None:
        _check_same(directory, plan, wanted)
        if directory.results.exists():
            warn(f"{directory.path}: these finals are finished")
            return _result(directory, plan, is_finished=True)
    warning = check_search_data(
        search.path, current.trial, accept_changed_videos=accept_changed_videos
    )
    if warning:
        warn(warning)
    if plan is None:
        plan = make_plan(search, current, wanted)
        for note in plan.notes:
            warn(note)
        write_plan(directory, plan)
    changes = {name: value for name, value in given.values.items() if name in MAY_CHANGE}
    # The time limit of a candidate's trial is not that of a longer training.
    running = with_options(attrs.evolve(current.running, timeout=None), changes)
    if line := search_device_line(_comparison(current, plan, running)):
        message(line)
    standings = drive_finals(
        directory,
        plan,
        running,
        search.name,
        ready=lambda runner: ready(runner, plan, search),
    )
    return _result(directory, plan, is_finished=standings is not None)


def _comparison(current: RunSettings, plan: Plan, running: Running) -> RunSettings:
    """Return the settings of the trainings that are compared."""
    settings = {**plan.trial.get("settings", {}), "iterations": plan.steps}
    return attrs.evolve(current, running=running, trial={**plan.trial, "settings": settings})


def make_plan(search: Run, current: RunSettings, wanted: FinalsSettings) -> Plan:
    """Return the plan of new finals. Raise CannotRun if they cannot begin."""
    from anetc.training.settings import TrainSettings

    test_split = check_finals(current, wanted)
    contestants, notes = choose_contestants(search.members, search.settings, wanted)
    steps = current.trial.get("settings", {}).get("iterations", TrainSettings().iterations)
    return Plan(
        settings=wanted,
        steps=wanted.steps or STEPS_FACTOR * steps,
        full_steps=wanted.full_steps or FULL_FACTOR * steps,
        trial=current.trial,
        test_split=test_split,
        contestants=contestants,
        notes=(*_state_of(search), *notes),
    )


def check_finals(settings: RunSettings, finals_settings: FinalsSettings) -> Split:
    """Return the split of the last evaluation, after a check that finals can begin.

    Raise CannotRun if the data have no such split, or a file of `beside` cannot be used with them.
    """
    from anetc.data.folds import fold_specs
    from anetc.data.open import open_data
    from anetc.data.recipes import recipes_from_json
    from anetc.data.spec import parse_spec
    from anetc.data.values import object_channels
    from anetc.evaluation.protocols import reported_split

    trial = settings.trial
    spec = parse_spec(trial["data"])
    split: Split = finals_settings.test_split or reported_split(spec)
    spec = fold_specs(spec)[0]  # all folds have the same videos, in other splits
    recipes = recipes_from_json(spec, trial.get("recipe", {}), "[trial.recipe]")
    advice = (
        "the finals end with an evaluation on videos that chose nothing; keep some for it, or give "
        "--test-split validation"
    )
    try:
        count = len(open_data(spec, split, recipes.validation, flow=False))
    except CannotRun as error:
        raise CannotRun(f"{error}\n{advice}") from None
    if not count:
        raise CannotRun(f"--data {trial['data']}: the split {split} is empty\n{advice}")
    for path in finals_settings.beside:
        text = read_beside(path, settings.search.space, finals_settings.beside_modules)
        try:
            channels = object_channels(parse(text, path))
            if channels is not None:
                open_data(spec, split, recipes.validation, flow=False, objects=channels)
        except CannotRun as error:
            raise CannotRun(f"--beside {path}: {error}") from None
    return split


def with_whole_paths(settings: RunSettings) -> RunSettings:
    """Return the settings with absolute paths of the networks beside."""
    if settings.finals is None:
        return settings
    beside = tuple(str(Path(path).absolute()) for path in settings.finals.beside)
    return attrs.evolve(settings, finals=attrs.evolve(settings.finals, beside=beside))


def _current_settings(directory: RunDir) -> RunSettings:
    """Return the settings of a run, with the changes that a person has made in the file."""
    with open_for_reading(directory) as store:
        stored = store.settings()
    if not directory.settings.exists():
        return stored
    return read_run_settings(str(directory.settings), stored)


def _state_of(search: Run) -> tuple[str, ...]:
    """Return a remark about a search that is not finished."""
    finished = sum(record.status in ("done", "failed") for record in search.records)
    if finished >= search.settings.candidates:
        return ()
    running = ", and goes on now" if is_driven(RunDir(search.path)) else ""
    return (
        f"the search was not finished when the finals began: {finished} of "
        f"{search.settings.candidates} candidates had a result{running}",
    )


def _check_same(directory: FinalsDir, plan: Plan, wanted: FinalsSettings) -> None:
    """Raise CannotRun if finals that have begun are asked for other settings."""
    before, now = (_as_lists(attrs.asdict(one)) for one in (plan.settings, wanted))
    names = [name for name in before if before[name] != now[name]]
    if names:
        changed = ", ".join(f"{name} {before[name]} is now {now[name]}" for name in names)
        raise CannotRun(
            f"{directory.path}: these finals began with other settings: {changed}; leave out the "
            "options to go on, or move that folder away to begin others"
        )


def _as_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _result(directory: FinalsDir, plan: Plan, *, is_finished: bool) -> FinalsResult:
    from anetdsl.evolve.finals.finals_driver import read_standings

    winner = rate = None
    if is_finished:
        standings = read_standings(directory, plan)
        winner, rate = standings.winner, standings.full_validation[0].learning_rate
    return FinalsResult(
        folder=directory.path,
        plan=plan,
        is_finished=is_finished,
        winner=winner,
        learning_rate=rate,
        text=directory.winner,
        weights=directory.weights,
        table=directory.table,
    )
