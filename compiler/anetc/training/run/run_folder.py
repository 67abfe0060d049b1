"""The folder of a training run: what is in it, and whether a run may go on there."""

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
    UNHARMFUL,
    Parent,
    TrainSettings,
    settings_defaults,
    settings_to_json,
)
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.terminal import visible

RUN = "run.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
WEIGHTS = "weights.safetensors"
MODEL = "model.anet"
RESULT = "result.json"
BOARD = "tensorboard"

SCHEMA = "anetdsl-training-run"
SCHEMA_VERSION = 1


def about_run(
    text: str, settings: TrainSettings, data: DataSpec, recipes: Recipes, init_from: Parent | None
) -> dict[str, Any]:
    """What run.json says: all that a run's numbers depend on, and how it was computed."""
    about = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "network_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "data": spec_text(data),
        "recipes": recipes_to_json(recipes),
        "init_from": None if init_from is None else [str(init_from.weights), str(init_from.text)],
        "settings": settings_to_json(settings),
    }
    return dict(json.loads(json.dumps(about)))


def open_folder(folder: Path, about: Mapping[str, Any], *, resume: bool) -> None:
    """Make the folder of a run, or see that the one that is there is this run's.

    Raises CannotRun where it cannot be made, holds a run and `resume` is not wanted, or holds a run
    that something else than `about` was said of.
    """
    path = folder / RUN
    try:
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        # What a killed process was writing.
        for part in [*folder.glob(".anetc-*.part"), *(folder / CHECKPOINTS).glob(".anetc-*.part")]:
            with contextlib.suppress(OSError):
                part.unlink()
        before = path.read_text(encoding="utf-8") if path.exists() else None
    except OSError as error:
        raise CannotRun(f"{error.filename or folder}: {error.strerror or error}") from None
    if not resume and (before is not None or checkpoints(folder / CHECKPOINTS)):
        raise CannotRun(f"{folder}: holds a run; --resume goes on with it, or name another --out")
    for name in (MODEL, WEIGHTS, RESULT):
        if before is None and (folder / name).exists():
            raise CannotRun(
                f"{folder}: holds a {name} that no run there has written, and a run would replace; "
                "name another --out"
            )
    if before is not None:
        _check_same(path, before, about)
    write_atomically(path, json.dumps(about, indent=2) + "\n")


def _check_same(path: Path, before: str, about: Mapping[str, Any]) -> None:
    try:
        held: Any = json.loads(before)
        then, now = _comparable(held), _comparable(about)
    except (ValueError, TypeError, AttributeError, LookupError):
        raise CannotRun(f"{path}: not what a training run writes; remove the folder") from None
    for key in {**then, **now}:
        if then.get(key) != now.get(key):
            raise CannotRun(
                f"{path}: the run was started with {_described(key, then.get(key))}, "
                f"now there is {_described(key, now.get(key))}: --resume needs the same"
            )


def _comparable(about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything by name, defaults filled in, without what makes no difference."""
    settings = settings_defaults() | about["settings"]
    named = {key: value for key, value in about.items() if key != "settings"}
    return named | {k: v for k, v in settings.items() if k not in UNHARMFUL}


def _described(key: str, value: Any) -> str:
    if key == "network_sha256":
        return "another text of the network" if value else "no network"
    return f"{key} {visible(json.dumps(value))[:120]}"
