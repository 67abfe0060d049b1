"""The folder of a training run: its file names, and the check that a run can be resumed there."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anetc.data.recipes import Recipes, recipes_to_json
from anetc.data.spec import spec_text
from anetc.data.values import DataSpec
from anetc.training.run.checkpoint import checkpoints
from anetc.training.settings import (
    CHANGEABLE,
    Parent,
    TrainSettings,
    settings_defaults,
    settings_to_json,
)
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

RUN = "run.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
WEIGHTS = "weights.safetensors"
MODEL = "model.anet"
RESULT = "result.json"
BOARD = "tensorboard"

SCHEMA = "anetdsl-training-run"
SCHEMA_VERSION = 1


def run_description(
    text: str, settings: TrainSettings, data: DataSpec, recipes: Recipes, init_from: Parent | None
) -> dict[str, Any]:
    """Return the content of run.json: all that a run's numbers depend on, and its settings."""
    description = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "network_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "data": spec_text(data),
        "recipes": recipes_to_json(recipes),
        "init_from": None if init_from is None else [str(init_from.weights), str(init_from.text)],
        "settings": settings_to_json(settings),
    }
    return dict(json.loads(json.dumps(description)))


def open_run_folder(folder: Path, description: Mapping[str, Any], *, resume: bool) -> None:
    """Make the folder of a run, or check that the folder holds this run.

    Raises CannotRun where the folder cannot be made, where it holds a run and `resume` is False,
    and where the run in it has another description.
    """
    path = folder / RUN
    try:
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        # Remove the unfinished files of a killed process.
        for part in [*folder.glob(".anetc-*.part"), *(folder / CHECKPOINTS).glob(".anetc-*.part")]:
            with contextlib.suppress(OSError):
                part.unlink()
        before = path.read_text(encoding="utf-8") if path.exists() else None
    except OSError as error:
        raise CannotRun(f"{error.filename or folder}: {error.strerror or error}") from None
    if not resume and (before is not None or checkpoints(folder / CHECKPOINTS)):
        raise CannotRun(f"{folder}: holds a run; resume it with --resume, or name another --out")
    for name in (MODEL, WEIGHTS, RESULT):
        if before is None and (folder / name).exists():
            raise CannotRun(
                f"{folder}: holds a {name} that no run in it has written, and a run would replace "
                "it; name another --out"
            )
    if before is not None:
        _check_same(path, before, description)
    write_atomically(path, json.dumps(description, indent=2) + "\n")


def _check_same(path: Path, before: str, description: Mapping[str, Any]) -> None:
    try:
        held: Any = json.loads(before)
        then, now = _comparable(held), _comparable(description)
    except (ValueError, TypeError, AttributeError, LookupError):
        raise CannotRun(f"{path}: not written by a training run; remove the folder") from None
    for key in {**then, **now}:
        if then.get(key) != now.get(key):
            raise CannotRun(
                f"{path}: the run was started with {_shown(key, then.get(key))}, "
                f"now there is {_shown(key, now.get(key))}; --resume requires the same"
            )


def _comparable(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return all entries by name, with default settings, without settings that may change."""
    settings = settings_defaults() | description["settings"]
    named = {key: value for key, value in description.items() if key != "settings"}
    return named | {k: v for k, v in settings.items() if k not in CHANGEABLE}


def _shown(key: str, value: Any) -> str:
    if key == "network_sha256":
        return "another text of the network" if value else "no network"
    return f"{key} {json.dumps(value)[:120]}"
