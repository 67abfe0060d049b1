"""Read the job of a trial and resolve its data, recipes and settings. This imports no torch."""

from __future__ import annotations

from pathlib import Path

import attrs

from anetc.data.folds import fold_specs, with_fold
from anetc.data.recipes import ClipSettings, Recipes, recipes_of
from anetc.data.spec import parse_spec
from anetc.data.values import DataSpec
from anetc.training.settings import Parent, TrainSettings
from anetdsl.evolve.contract import Split, TrialFolder, read_trial_job
from anetdsl.settings_reader import NamedValues, read_json, read_value

NO_PATIENCE = "a trial has no early stopping: leave out `patience`"


@attrs.frozen
class TrialSetup:
    """A `TrialJob` with its data, recipes and settings resolved."""

    data: DataSpec
    settings: TrainSettings
    recipes: Recipes
    split: Split = "validation"
    """Split by which the candidate is evaluated."""
    init_from: Parent | None = None
    """Weights to start from."""
    timeout: float | None = None
    """Seconds after which the trial fails."""
    checkpoints: Path | None = None
    """Folder where the training saves its state and from which it continues."""
    folds: tuple[DataSpec, ...] = ()
    """Data of the other folds on which the candidate is trained and evaluated too."""
    evaluate: Path | None = None
    """Weights file to evaluate; then nothing is trained."""


def read_job(folder: TrialFolder) -> TrialSetup:
    """Read the job of a folder. Raise CannotRun with the place of a mistake."""
    return trial_setup(read_json(folder.job))


def trial_setup(given: NamedValues) -> TrialSetup:
    """Return the setup of the values of `job.json`. Raise CannotRun with the place of a mistake."""
    job = read_trial_job(given)
    whole = parse_spec(job.data)
    table = given.table("settings")
    settings = read_value(table, TrainSettings)
    if settings.patience is not None:
        raise table.error(NO_PATIENCE, "patience")
    spec = with_fold(whole, settings.seed)
    others = tuple(one for one in fold_specs(whole) if one != spec) if job.folds == "all" else ()
    clips = read_value(given.table("recipe"), ClipSettings)
    parent = job.init_from
    return TrialSetup(
        spec,
        # A trial has one thread unless its settings say otherwise.
        attrs.evolve(settings, device=job.device or settings.device, threads=settings.threads or 1),
        recipes_of(spec, clips),
        job.split,
        None
        if parent is None
        else Parent(Path(parent.weights), Path(parent.text), parent.operations),
        job.timeout,
        None if job.checkpoints is None else Path(job.checkpoints),
        others,
        None if job.evaluate is None else Path(job.evaluate),
    )
