"""The folder of a training run: its file names, and the check that a run can be resumed there."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anetc.data.recipes import Recipes, recipes_to_json
from anetc.data.spec import spec_text
from anetc.data.values import DataSpec
from anetc.training.data_record import DataRecord, check_same_data, record_from_json
from anetc.training.run.checkpoint import checkpoints
from anetc.training.run.differences import differences
from anetc.training.run.extension import EXTENSIONS
from anetc.training.settings import (
    CHANGEABLE,
    EXTENDING,
    Parent,
    TrainSettings,
    settings_defaults,
    settings_to_json,
)
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from anetc.data.values import Dataset

RUN = "run.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
WEIGHTS = "weights.safetensors"
MODEL = "model.anet"
BEST_WEIGHTS = "best.safetensors"
BEST_MODEL = "best.anet"
RESULT = "result.json"
BOARD = "tensorboard"

SCHEMA = "anetdsl-training-run"
SCHEMA_VERSION = 1


DEVICE = "device"
"""Key in run.json: the device, the precision and the engine of the last process."""
KERNELS = "kernels"
"""Key in run.json: the version of the native kernels of the last process; "none" without them."""
PARTS = "parts"
"""Key in run.json: the number of parts of a step, if memory did not suffice for the given one."""
_OF_DATA = ("trained_on", "videos")
"""Keys of `DataRecord.to_json`, which `check_same_data` compares."""


def run_description(
    text: str,
    settings: TrainSettings,
    data: DataSpec,
    recipes: Recipes,
    init_from: Parent | None,
    record: DataRecord,
) -> dict[str, Any]:
    """Return the content of run.json: all that a run's numbers depend on, and its settings."""
    description = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "network_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "data": spec_text(data),
        "recipes": recipes_to_json(recipes),
        "init_from": None if init_from is None else _parent_to_json(init_from),
        "settings": settings_to_json(settings),
        **record.to_json(),
    }
    return dict(json.loads(json.dumps(description)))


def _parent_to_json(parent: Parent) -> list[str]:
    paths = [str(parent.weights), str(parent.text)]
    return [*paths, "new head"] if parent.new_head else paths


def check_run(
    folder: Path,
    description: Mapping[str, Any],
    datasets: Sequence[Dataset],
    *,
    accept_changed_videos: bool = False,
) -> str | None:
    """Check that the run in a folder can be resumed with this description; no run is fine, too.

    `datasets` are the splits of the description. Return a warning: about videos that have changed,
    which needs `accept_changed_videos`, or about a run of an old version, whose data cannot be
    compared. Raise CannotRun where the run has another description.
    """
    path = folder / RUN
    if (before := _read(path)) is None:
        return None
    held = _check_same(path, before, description)
    now = record_from_json(description)
    assert now is not None
    try:
        then = record_from_json(held)
    except (ValueError, TypeError, AttributeError, LookupError):
        raise _not_a_run(path) from None
    if then is None:
        return (
            f"{path}: an old version began this run and recorded neither classes nor videos, so "
            "they cannot be compared with the data"
        )
    return check_same_data(path, then, now, datasets, accept_changed_videos=accept_changed_videos)


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
    except OSError as error:
        raise CannotRun(f"{error.filename or folder}: {error.strerror or error}") from None
    before = _read(path)
    if not resume and (before is not None or checkpoints(folder / CHECKPOINTS)):
        raise CannotRun(f"{folder}: holds a run; resume it with --resume, or name another --out")
    for name in (MODEL, WEIGHTS, RESULT, BEST_MODEL, BEST_WEIGHTS):
        if before is None and (folder / name).exists():
            raise CannotRun(
                f"{folder}: holds a {name} that no run in it has written, and a run would replace "
                "it; name another --out"
            )
    if before is not None:
        _check_same(path, before, description)
    write_atomically(path, json.dumps(description, indent=2) + "\n")


def record_parts(folder: Path, parts: int) -> None:
    """Record the number of parts of a step, which the resumed run will have, too."""
    description = json.loads((folder / RUN).read_text(encoding="utf-8"))
    write_atomically(folder / RUN, json.dumps(description | {PARTS: parts}, indent=2) + "\n")


def recorded_parts(folder: Path) -> int | None:
    """Return the number of parts of a step that `record_parts` has recorded. Raises CannotRun."""
    path = folder / RUN
    try:
        parts = json.loads(_read(path) or "{}").get(PARTS)
        return None if parts is None else int(parts)
    except (ValueError, TypeError, AttributeError):
        raise _not_a_run(path) from None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else None
    except UnicodeDecodeError:
        raise _not_a_run(path) from None
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror or error}") from None


def _not_a_run(path: Path) -> CannotRun:
    return CannotRun(f"{path}: not written by a training run; remove the folder")


def _check_same(path: Path, before: str, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description in run.json. Raise CannotRun if it is of another run."""
    try:
        held: Any = json.loads(before)
        then, now = _comparable(held), _comparable(description)
    except (ValueError, TypeError, AttributeError, LookupError):
        raise _not_a_run(path) from None
    if then != now:
        try:
            lines = differences(then, now)
        except (ValueError, TypeError, AttributeError, LookupError):
            raise _not_a_run(path) from None
        raise CannotRun(
            f"{path}: --resume requires the options of the run; these differ:\n"
            + "\n".join(f"  {line}" for line in lines)
        )
    return dict(held)


def _comparable(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return all entries by name, with default settings, without settings that may change.

    The entries about the data are compared by `check_same_data`.
    """
    settings = settings_defaults() | description["settings"]
    apart = ("settings", EXTENSIONS, DEVICE, KERNELS, PARTS, *_OF_DATA)
    named = {k: v for k, v in description.items() if k not in apart}
    return named | {k: v for k, v in settings.items() if k not in CHANGEABLE | EXTENDING}
