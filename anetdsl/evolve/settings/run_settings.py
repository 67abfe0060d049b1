"""What a run was asked for: the search, the trial, and how trials are run; `settings.toml`."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.search_settings import SearchSettings, Space
from anetdsl.evolve.settings.toml import (
    Document,
    as_table,
    check_keys,
    read_document,
    table_of,
    toml_text,
    value_of,
)

T = TypeVar("T")

MOST_SEED = 2**63 - 1
"""As TOML's numbers."""

_HEAD = """\
# What `anetc evolve` was asked for. `anetc evolve --config` starts another run from this file;
# `anetc evolve --resume` reads it anew: what is changed here holds for the candidates to come.

"""


@attrs.frozen
class Running:
    """How trials are run. It may differ from one driver of a run to the next."""

    executor: str = "threads:1"
    """`threads:N`: N trials at a time on this machine; `dask:ADDRESS`: a Dask cluster's workers."""
    gpus: tuple[str, ...] = ()
    """Devices that the trials of `threads:N` get in turn, each one of them; none means CPU."""
    timeout: float | None = None
    """Seconds after which a trial is killed, with all its processes. None waits for ever."""
    retries: int = 1
    """How often a trial that was killed, out of memory or hung is started again."""
    inherit: bool = False
    """Whether a child starts from its parent's weights, where their shapes fit."""
    halving: int = 1
    """1 trains each candidate once. Above, it is first trained for a part of the iterations, one in
    so many, and goes on to all of them only if it is among the best one in so many so far."""
    keep_all_weights: bool = False
    """Whether the weights of candidates stay that are neither alive nor among the best three."""


@attrs.frozen
class RunSettings:
    """All that a run was asked for."""

    search: SearchSettings
    trial: Mapping[str, Any]
    """The job that each candidate is trained by (`job.json`), but for what differs among them."""
    running: Running = Running()


EMPTY = RunSettings(SearchSettings(Space(classes=1)), {})
"""What settings are read on top of, where all that matters is written in them."""


def settings_text(asked: RunSettings) -> str:
    """`settings.toml`."""
    tables = {
        "search": as_table(asked.search),
        "trial": dict(asked.trial),
        "running": as_table(asked.running),
    }
    return _HEAD + toml_text(tables)


def read_settings(path: str, default: RunSettings) -> RunSettings:
    """The default, with what a settings file sets in its place. Raises CannotRun with the place."""
    return settings_of(read_document(path), default)


def read_run_settings(path: str, before: RunSettings) -> RunSettings:
    """What a run's own settings file says; where it says nothing, it is as before.

    What is optional, as a limit, is not asked for any more where its table is there without it.
    Raises CannotRun with the place.
    """
    document = read_document(path)
    tables = document.tables
    if not tables:
        raise CannotRun(f"{path}: is empty; remove it, and `--resume` writes it anew")
    start = RunSettings(
        _without_options(before.search) if "search" in tables else before.search,
        {} if "trial" in tables else before.trial,
        _without_options(before.running) if "running" in tables else before.running,
    )
    return settings_of(document, start)


def read_whole_settings(path: str) -> RunSettings:
    """A run's settings file, by itself. Raises CannotRun where it holds too little for that."""
    document = read_document(path)
    for table, key in ((("search", "space"), "classes"), (("trial",), "data")):
        if key not in table_of(document, table):
            raise CannotRun(f"{path}: is not whole: there is no `{key}` in [{'.'.join(table)}]")
    return settings_of(document, EMPTY)


def _without_options(value: T) -> T:
    """The value without what need not be there."""
    changes: dict[str, Any] = {}
    for field in attrs.fields(typing.cast(Any, type(value))):
        item = getattr(value, field.name)
        if field.default is None:
            changes[field.name] = None
        elif attrs.has(type(item)):
            changes[field.name] = _without_options(item)
    changed: T = attrs.evolve(typing.cast(Any, value), **changes)
    return changed


def settings_of(document: Document, default: RunSettings) -> RunSettings:
    """The default, with what the document sets in its place. Raises CannotRun with the place."""
    check_keys(document, (), ("search", "trial", "running"))
    asked = RunSettings(
        search=value_of(document, ("search",), default.search),
        trial=_merged(default.trial, table_of(document, ("trial",))),
        running=value_of(document, ("running",), default.running),
    )
    for path, message in _mistakes(asked):
        raise document.error(path, message)
    return asked


def check_asked(asked: RunSettings) -> None:
    """Raise CannotRun where the settings cannot be searched with."""
    for path, message in _mistakes(asked):
        raise CannotRun(f"{'.'.join(path)}: {message}")


def _merged(default: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(default)
    for key, value in table.items():
        if isinstance(value, Mapping) and isinstance(found.get(key), Mapping):
            found[key] = _merged(found[key], value)
        else:
            found[key] = value
    return found


def _mistakes(asked: RunSettings) -> list[tuple[tuple[str, ...], str]]:
    search, space, limits, running = (
        asked.search,
        asked.search.space,
        asked.search.limits,
        asked.running,
    )
    least: list[tuple[tuple[str, ...], float, float | None]] = [
        (("search", "seed"), 0, search.seed),
        (("search", "rounds"), 1, search.rounds),
        (("search", "population"), 1, search.population),
        (("search", "tournament"), 1, search.tournament),
        (("search", "most_operators"), 0, search.most_operators),
        (("search", "window"), 0, search.window),
        (("search", "space", "classes"), 1, space.classes),
        (("search", "space", "stem_channels"), 1, space.stem_channels),
        (("search", "space", "most_splits"), 0, space.most_splits),
        (("search", "space", "least_depth"), 1, space.least_depth),
        (("search", "limits", "parameters"), 1, limits.parameters),
        (("search", "limits", "multiply_adds"), 1, limits.multiply_adds),
        (("search", "limits", "depth"), 1, limits.depth),
        (("search", "limits", "frames"), 1, limits.frames),
        (("running", "retries"), 0, running.retries),
        (("running", "halving"), 1, running.halving),
        (("running", "timeout"), math.ulp(0.0), running.timeout),
    ]
    found = [
        (path, f"`{path[-1]}` is {'above 0' if 0 < low < 1 else f'at least {low:g}'}")
        for path, low, value in least
        if value is not None and value < low
    ]
    if search.seed > MOST_SEED:
        found.append((("search", "seed"), f"`seed` is at most {MOST_SEED}"))
    if search.threshold is not None and not 0.0 < search.threshold < 1.0:
        found.append((("search", "threshold"), "`threshold` lies between 0 and 1, both excluded"))
    return found + [(("search", "space", key), text) for key, text in _space_mistakes(space)]


def _space_mistakes(space: Space) -> list[tuple[str, str]]:
    lists: dict[str, tuple[int, tuple[int, ...]]] = {
        "channels": (1, space.channels),
        "nodes": (0, space.nodes),
        "widths": (1, space.widths),
        "modules": (1, space.modules),
        "stems": (1, space.stems),
        "resolutions": (1, space.resolutions),
    }
    found = [
        (key, f"each of `{key}` is at least {low}")
        for key, (low, values) in lists.items()
        if any(value < low for value in values)
    ]
    found += [(key, f"`{key}` is empty") for key, (_, values) in lists.items() if not values]
    if space.nodes[-1] == 0:
        found.append(("nodes", "`nodes` has none at level 4, which the classifier reads"))
    if space.stem_channels < max(space.stems, default=0):
        text = f"`stem_channels` is at least {max(space.stems)}, one for each stem"
        found.append(("stem_channels", text))
    if not 0.0 <= space.edge_probability <= 1.0:
        found.append(("edge_probability", "`edge_probability` is a probability"))
    return found
