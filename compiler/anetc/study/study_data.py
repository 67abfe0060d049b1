"""The data of a study: the search space for them, and their name in results.

The name has no folders, so that results are the same on all machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetc.api.search_settings import Options, new_settings, with_data
from anetc.data.folds import fold_specs, with_all_groups
from anetc.data.spec import parse_spec, spec_text
from anetc.study.comparison import ComparisonPlan
from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.settings.search_settings import Space


def space_of(data: str, recipe: Mapping[str, Any]) -> tuple[Space, str]:
    """Return the small space with the classes of the data, and the name of the data in results.

    `recipe` has the `frames` and the `size` of the clips, where they differ from the data's.

    Raise CannotRun if the data cannot be opened.
    """
    return with_data(_settings(data, recipe)).search.space, _name(data)


def check_comparison(plan: ComparisonPlan, data: str) -> None:
    """Raise CannotRun if the searches or the trainings of a plan could not start.

    `data` are those of the plan with their path. Reported trainings need a test split, and are on
    all groups of the folds. Searches that inherit weights cannot use folds.
    """
    spec = parse_spec(data)
    inherits = any(method.partition(",")[0].endswith("+inherit") for method in plan.methods)
    if inherits and plan.search_data is None and len(fold_specs(spec)) > 1:
        raise CannotRun(
            f"--search-data is missing: a search that inherits weights cannot use the folds of "
            f"{data}; name the groups of both splits, such as train=1,3&validation=5,7"
        )
    settings = _settings(spec_text(with_all_groups(spec)), plan.recipe)
    with_data(attrs.evolve(settings, trial={**settings.trial, "split": "test"}))


def _settings(data: str, recipe: Mapping[str, Any]) -> RunSettings:
    return new_settings("small", None, Options(data, None, {}, {}, {}, recipe, {}))


def whole_path(data: str | None) -> str | None:
    """Return the full path of data; None for generated data."""
    path = None if data is None else parse_spec(data).path
    return None if path is None else str(Path(path).absolute())


def with_search_data(options: dict[str, Any], data: str | None) -> dict[str, Any]:
    """Return the options of a study with the name of its `search_data`, if they are given.

    Raise CannotRun unless they are `data`, in files, with other splits.
    """
    searched = options.get("search_data")
    if searched is None:
        return options
    if whole_path(data) is None or whole_path(searched) != whole_path(data):
        raise CannotRun("--search-data: name the path of --data, with other options")
    return {**options, "search_data": _name(searched)}


def _name(data: str) -> str:
    spec = parse_spec(data)
    if spec.path is not None:
        spec = attrs.evolve(spec, path=Path(spec.path).name)
    return spec_text(spec)
