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
from anetc.data.open import open_data
from anetc.data.recipes import recipes_from_json
from anetc.data.spec import parse_spec, spec_text
from anetc.data.values import Dataset, DataSpec, Split
from anetc.study.comparison import LAST_SEED, ComparisonPlan
from anetc.training.data_record import SplitVideos, split_videos
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
    """Raise CannotRun if the searches or the trainings of a plan could not start, or would leak.

    `data` names the data of the plan, with the full path. Reported trainings need a test split, and
    are on all groups of the folds. Searches that inherit weights cannot use folds, and no search
    may train or validate on a video of the test split.
    """
    if plan.search_seeds[-1] > LAST_SEED:
        raise CannotRun(
            f"--first-seed {plan.first_seed}, --seeds {plan.seeds}: the last seed is {LAST_SEED}"
        )
    spec = parse_spec(data)
    option, searched = "--data", spec
    if plan.search_data is not None:
        option = "--search-data"
        searched = attrs.evolve(parse_spec(plan.search_data), path=spec.path)
    inherits = any(method.partition(",")[0].endswith("+inherit") for method in plan.methods)
    if inherits and len(fold_specs(searched)) > 1:
        raise CannotRun(
            f"{option} {spec_text(searched)}: a search that inherits weights cannot use folds; "
            "give --search-data with the groups of both splits, such as train=1,3&validation=5,7"
        )
    if plan.folds == "all" and len(fold_specs(spec)) == 1:
        raise CannotRun(f"--folds all: --data {data} has no folds, such as folds=1,3,5,7")
    test = _opened(with_all_groups(spec), "test", plan.recipe)
    if test.multi_label:
        raise CannotRun(f"--data {data}: the study needs videos with one class each")
    if spec.path is not None:  # the splits of generated data have no videos in common
        _check_disjoint("--data", spec, test, plan.recipe)
        if searched != spec:
            _check_disjoint(option, searched, test, plan.recipe)


def _check_disjoint(option: str, spec: DataSpec, test: Dataset, recipe: Mapping[str, Any]) -> None:
    first = fold_specs(spec)[0]  # all folds have the same videos, in other splits
    splits: tuple[Split, ...] = ("train", "validation")
    used = [_opened(first, split, recipe, option) for split in splits]
    names = {data.name(index) for data in used for index in range(len(data))}
    shared = [name for name in map(test.name, range(len(test))) if name in names]
    if shared:
        raise CannotRun(
            f"{option} {spec_text(spec)}: {len(shared)} videos of the test split would train or "
            f"choose networks, such as {shared[0]}; the splits must have no video in common"
        )


def videos_of_study(data: str, recipe: Mapping[str, Any]) -> SplitVideos:
    """Return the number and the digest of the training videos, with all groups of the folds."""
    return split_videos(_opened(with_all_groups(parse_spec(data)), "train", recipe))


def _opened(
    spec: DataSpec, split: Split, recipe: Mapping[str, Any], option: str = "--data"
) -> Dataset:
    """Open a split. Raise CannotRun if it is empty or cannot be opened; `option` names the data."""
    recipes = recipes_from_json(spec, recipe, "the recipe")
    try:
        opened = open_data(spec, split, recipes.validation, flow=False)
    except CannotRun as error:
        raise CannotRun(str(error).replace("--data", option, 1)) from None
    if len(opened) == 0:
        raise CannotRun(f"{option} {spec_text(spec)}: the {split} split is empty")
    return opened


def _settings(data: str, recipe: Mapping[str, Any]) -> RunSettings:
    return new_settings("small", None, Options(data, None, {}, {}, {}, recipe, {}))


def whole_path(data: str | None) -> str | None:
    """Return the full path of data; None for generated data."""
    path = None if data is None else parse_spec(data).path
    return None if path is None else str(Path(path).absolute())


def with_search_data(options: dict[str, Any], data: str | None) -> dict[str, Any]:
    """Return the options of a study with the name of its `search_data`, if they are given.

    Raise CannotRun if they do not have the format and the path of `data`.
    """
    searched = options.get("search_data")
    if searched is None:
        return options
    if data is None or _place(data) != _place(searched) or whole_path(data) is None:
        raise CannotRun("--search-data: name the format and the path of --data, with other options")
    return {**options, "search_data": _name(searched)}


def _place(data: str) -> tuple[str | None, str | None]:
    return parse_spec(data).format, whole_path(data)


def _name(data: str) -> str:
    spec = parse_spec(data)
    if spec.path is not None:
        spec = attrs.evolve(spec, path=Path(spec.path).name)
    return spec_text(spec)
