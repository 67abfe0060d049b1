"""A trial's job: what a search wants to know of one candidate. Needs no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

import attrs

from anetc.data.recipes import Recipes, recipes_from_json
from anetc.data.spec import parse_spec
from anetc.data.values import DataSpec, Split
from anetc.training.settings import Parent, TrainSettings, settings_from_json
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.evolve.operations import operations_from_json
from anetdsl.terminal import visible

SCHEMA = "anetdsl-trial-job"
SCHEMA_VERSION = 1
JOB = "job.json"
_KEYS = {
    *("schema", "schema_version", "data", "settings", "recipe", "split", "init_from"),
    *("timeout", "device"),
}


@attrs.frozen
class Job:
    """How a candidate is trained and judged."""

    data: DataSpec
    settings: TrainSettings
    recipes: Recipes
    split: Split = "validation"
    """What it is judged by."""
    init_from: Parent | None = None
    timeout: float | None = None
    """Seconds."""


def read_job(folder: Path) -> Job:
    """The job of a folder. Raises CannotRun, saying what is wrong with it."""
    path = folder / JOB
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise cannot_read(path, error) from None
    except ValueError as error:
        raise CannotRun(f"{path}: not JSON: {error}") from None
    return parse_job(document, str(path))


def parse_job(document: object, name: str = JOB) -> Job:
    """A job of its JSON object; `name` is what messages call it. Raises CannotRun."""
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise CannotRun(f'{name}: must be an object with "schema": "{SCHEMA}"')
    if document.get("schema_version") != SCHEMA_VERSION:
        version = visible(repr(document.get("schema_version"))[:20])
        raise CannotRun(f"{name}: version {version}; this version of anetc reads {SCHEMA_VERSION}")
    for key in document:
        if key not in _KEYS:
            guess = did_you_mean(str(key), _KEYS)
            hint = f"; did you mean `{guess}`?" if guess else ""
            raise CannotRun(f"{name}: there is no `{visible(str(key))}`{hint}")
    data = document.get("data")
    if not isinstance(data, str):
        raise CannotRun(f'{name}: "data" must be a text such as "motion"')
    spec = parse_spec(data)
    settings = settings_from_json(document.get("settings", {}), f"{name}: settings")
    device = document.get("device", settings.device)
    settings = settings_from_json(
        {**attrs.asdict(settings), "device": device, "threads": settings.threads or 1}, name
    )
    split = document.get("split", "validation")
    if split not in get_args(Split):
        raise CannotRun(f"{name}: split must be one of {', '.join(get_args(Split))}")
    return Job(
        spec,
        settings,
        recipes_from_json(spec, document.get("recipe", {}), f"{name}: recipe"),
        cast(Split, split),
        _parent(document.get("init_from"), name),
        _timeout(document.get("timeout"), name),
    )


def _parent(value: object, name: str) -> Parent | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        weights, text = value.get("weights"), value.get("text")
        is_known = value.keys() <= {"weights", "text", "operations"}
        if is_known and isinstance(weights, str) and isinstance(text, str):
            try:
                operations = operations_from_json(value.get("operations", []))
            except ValueError as error:
                raise CannotRun(f"{name}: init_from: {error}") from None
            return Parent(Path(weights), Path(text), operations)
    raise CannotRun(
        f'{name}: init_from must be null or {{"weights": PATH, "text": PATH, "operations": [...]}}'
    )


def _timeout(value: object, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise CannotRun(f"{name}: timeout must be null or a number of seconds")
