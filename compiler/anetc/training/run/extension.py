"""Runs that go on with more steps than they were started with.

The learning rate of a step depends on the number of steps of the run. After an extension it is that
of a run which had the new number from its start: `learning_rate(step, new number, ...)`. Steps
before the extension are not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from anetc.training.settings import settings_defaults
from anetdsl.errors import CannotRun

EXTENSIONS = "extensions"
"""Key in run.json: a list of `[finished steps, number of steps before the extension]`."""


@attrs.frozen
class Extension:
    """A change of the number of steps of a run."""

    done: int
    """Number of finished steps at the change."""
    iterations: int
    """Number of steps of the run before the change."""


def settings_of_run(path: Path) -> dict[str, Any]:
    """Return the settings of the run with this run.json; empty if there is none to read."""
    try:
        return settings_defaults() | dict(json.loads(path.read_text(encoding="utf-8"))["settings"])
    except (OSError, ValueError, TypeError, LookupError):
        return {}  # opening the run reports it


def extensions_of(path: Path, iterations: int, done: int) -> tuple[Extension, ...]:
    """Return the extensions of the run with this run.json, if it now gets `iterations` steps.

    `done` is the number of finished steps. Raises CannotRun if these are more than `iterations`.
    """
    before = settings_of_run(path).get("iterations")
    if before is None:
        return ()
    if done > iterations:
        raise CannotRun(
            f"{path.parent}: {done} steps are finished, more than --iterations {iterations}; "
            "a run can only go on"
        )
    held = json.loads(path.read_text(encoding="utf-8")).get(EXTENSIONS, [])
    extensions = tuple(Extension(int(then), int(number)) for then, number in held)
    return extensions if before == iterations else (*extensions, Extension(done, before))


def extensions_to_json(extensions: Sequence[Extension]) -> dict[str, Any]:
    """Return the entry of run.json; no entry without extensions."""
    if not extensions:
        return {}
    return {EXTENSIONS: [[extension.done, extension.iterations] for extension in extensions]}


def earlier_ends(extensions: Sequence[Extension]) -> frozenset[int]:
    """Return the numbers of steps after which the run had ended, so that it was validated."""
    return frozenset(e.iterations for e in extensions if e.done == e.iterations)
