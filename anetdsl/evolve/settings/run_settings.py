"""Settings of a run: the search, the trial, and how trials are run. Read and write them as TOML."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.finals_settings import FinalsSettings
from anetdsl.evolve.settings.search_settings import SearchSettings, Space
from anetdsl.evolve.settings.toml_text import as_table, toml_text
from anetdsl.settings_reader import (
    NamedValues,
    above,
    at_least,
    read_changes,
    read_toml,
    read_value,
)

T = TypeVar("T")

_HEAD = """\
# Settings of a search. `anetc evolve --config` starts another search from this file.
# `anetc evolve --resume` reads it again; changes apply to the candidates that follow.

"""


@attrs.frozen
class Running:
    """Settings of trials: where they run and what becomes of failures and weights.

    They may differ from one driver of a run to the next.
    """

    executor: str = "threads"
    """`threads:N` runs N trials at a time on this machine; `threads` runs one, or `per_gpu` on each
    of its GPUs; `dask:ADDRESS` uses a Dask cluster."""
    gpus: tuple[str, ...] = ()
    """GPUs for the trials on this machine; each trial gets one of them. Empty: all GPUs."""
    per_gpu: int = attrs.field(default=1, validator=at_least(1))
    """Number of trials at a time on each GPU, with the executor `threads`."""
    timeout: float | None = attrs.field(default=None, validator=above(0))
    """Seconds after which a trial is killed with all its processes. None: no limit."""
    retries: int = attrs.field(default=1, validator=at_least(0))
    """Number of times a failed trial is started again, unless it would fail again."""
    inherit: bool = False
    """True if a child starts from its parent's weights where their shapes fit."""
    halving: int = attrs.field(default=1, validator=at_least(1))
    """N: train each candidate for 1/N of the iterations first, and the best 1/N for all of them.

    1 trains each candidate once.
    """
    keep_all_weights: bool = False
    """True to keep all weights; else only those of the population and of the best three stay."""


@attrs.frozen
class TrialTable:
    """The table [trial]: the values that the jobs of all candidates share (`TrialJob`)."""

    data: str | None = None
    split: Literal["train", "validation", "test"] = "validation"
    folds: Literal["one", "all"] = "one"
    device: Literal["auto", "cpu"] = "auto"
    recipe: Mapping[str, Any] = {}
    settings: Mapping[str, Any] = {}


@attrs.frozen
class RunSettings:
    """All settings of a run."""

    search: SearchSettings
    trial: Mapping[str, Any]
    """Values of the table [trial], as they were given."""
    running: Running = Running()
    finals: FinalsSettings | None = None
    """Settings of the finals that follow the search; None: no finals follow."""


EMPTY = RunSettings(SearchSettings(Space(classes=1)), {})
"""Defaults for settings files that hold all settings."""


def settings_text(settings: RunSettings) -> str:
    """Return the text of `settings.toml`."""
    tables = {
        "search": as_table(settings.search),
        "trial": dict(settings.trial),
        "running": as_table(settings.running),
    }
    if settings.finals is not None:
        tables["finals"] = as_table(settings.finals)
    return _HEAD + toml_text(tables)


def read_run_settings(path: str, before: RunSettings) -> RunSettings:
    """Return the settings of a run's own file; settings that it leaves out stay as `before`.

    An optional setting, such as a limit, is removed if its table is in the file without it. Raise
    CannotRun with the place of a mistake.
    """
    given = read_toml(path)
    tables = given.values
    if not tables:
        raise CannotRun(f"{path}: the file is empty; delete it, and `--resume` writes it again")
    start = RunSettings(
        _without_options(before.search) if "search" in tables else before.search,
        {} if "trial" in tables else before.trial,
        _without_options(before.running) if "running" in tables else before.running,
        before.finals,
    )
    return settings_of(given, start)


def read_whole_settings(path: str) -> RunSettings:
    """Return the settings of a file that holds all of them. Raise CannotRun if some are missing."""
    given = read_toml(path)
    for table, key in ((("search", "space"), "classes"), (("trial",), "data")):
        if key not in given.table(*table).values:
            raise given.error(f"`{key}` is missing in [{'.'.join(table)}]", *table)
    return settings_of(given, EMPTY)


def _without_options(value: T) -> T:
    """Return the value with its optional settings unset."""
    changes: dict[str, Any] = {}
    for field in attrs.fields(typing.cast(Any, type(value))):
        item = getattr(value, field.name)
        if field.default is None:
            changes[field.name] = None
        elif attrs.has(type(item)):
            changes[field.name] = _without_options(item)
    changed: T = attrs.evolve(typing.cast(Any, value), **changes)
    return changed


def settings_of(given: NamedValues, default: RunSettings) -> RunSettings:
    """Return the default with the given settings in its place. Raise CannotRun."""
    given.check_names(("search", "trial", "running", "finals"))
    trial = given.table("trial")
    read_value(trial, TrialTable)  # checks names and types
    return RunSettings(
        search=read_changes(given.table("search"), default.search),
        trial=_merged(default.trial, trial.values),
        running=read_changes(given.table("running"), default.running),
        finals=read_value(given.table("finals"), FinalsSettings)
        if "finals" in given.values
        else default.finals,
    )


def _merged(default: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(default)
    for key, value in table.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged
