"""Read the job of a trial and resolve its data, recipes and settings. This imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from anetc.data.recipes import Recipes, recipes_from_json
from anetc.data.spec import parse_spec
from anetc.data.values import DataSpec
from anetc.training.settings import Parent, TrainSettings, settings_from_json
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.evolve.contract import Split, TrialFolder, TrialJob


@attrs.frozen
class TrialSetup:
    """What a trial does: a `TrialJob` with its data, recipes and settings resolved."""

    data: DataSpec
    settings: TrainSettings
    recipes: Recipes
    split: Split = "validation"
    """Split by which the candidate is evaluated."""
    init_from: Parent | None = None
    """Weights to start from."""
    timeout: float | None = None
    """Seconds after which the trial fails."""


def read_job(folder: TrialFolder) -> TrialSetup:
    """Read the job of a folder. Raise CannotRun with what is wrong and where."""
    path = folder.job
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise cannot_read(path, error) from None
    except ValueError as error:
        raise CannotRun(f"{path}: not JSON: {error}") from None
    return parse_job(document, str(path))


def parse_job(document: object, name: str = "job.json") -> TrialSetup:
    """Return what a trial does by the JSON object of its job.

    A trial has one thread unless its settings say otherwise. Raise CannotRun; its message starts
    with `name`.
    """
    job = TrialJob.from_json(document, name)
    spec = parse_spec(job.data)
    settings = settings_from_json(job.settings, f"{name}: settings")
    changes = {"device": job.device or settings.device, "threads": settings.threads or 1}
    parent = job.init_from
    return TrialSetup(
        spec,
        settings_from_json({**attrs.asdict(settings), **changes}, name),
        recipes_from_json(spec, job.recipe, f"{name}: recipe"),
        job.split,
        None
        if parent is None
        else Parent(Path(parent.weights), Path(parent.text), parent.operations),
        job.timeout,
    )
