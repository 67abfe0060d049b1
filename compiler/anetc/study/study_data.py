"""The data of a study: the search space for them, and their name in results.

The name has no folders, so that results are the same on all machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetc.api.search_settings import Options, new_settings, with_data
from anetc.data.folds import with_all_groups
from anetc.data.spec import parse_spec, spec_text
from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.search_settings import Space


def space_of(data: str, recipe: Mapping[str, Any]) -> tuple[Space, str]:
    """Return the small space with the classes of the data, and the name of the data in results.

    `recipe` has the `frames` and the `size` of the clips, where they differ from the data's.

    Raise CannotRun if the data cannot be opened, or have no test split.
    """
    settings = new_settings("small", None, Options(data, None, {}, {}, {}, recipe, {}))
    # The reported trainings are on all groups of the folds.
    whole = spec_text(with_all_groups(parse_spec(settings.trial["data"])))
    with_data(attrs.evolve(settings, trial={**settings.trial, "data": whole, "split": "test"}))
    return with_data(settings).search.space, _name(data)


def whole_path(data: str | None) -> str | None:
    """Return the full path of data; None for generated data."""
    path = None if data is None else parse_spec(data).path
    return None if path is None else str(Path(path).absolute())


def with_search_data(options: dict[str, Any], data: str | None) -> dict[str, Any]:
    """Return the options of a study with the name of its `search_data`, if they are given.

    Raise CannotRun unless they are `data` with other splits.
    """
    searched = options.get("search_data")
    if searched is None:
        return options
    if data is None or whole_path(searched) != whole_path(data):
        raise CannotRun("--search-data: name the path of --data, with other options")
    return {**options, "search_data": _name(searched)}


def _name(data: str) -> str:
    spec = parse_spec(data)
    if spec.path is not None:
        spec = attrs.evolve(spec, path=Path(spec.path).name)
    return spec_text(spec)
