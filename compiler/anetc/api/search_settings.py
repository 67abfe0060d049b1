"""Settings of `anetc evolve`: a preset, then a settings file, then options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetc.data.folds import fold_specs
from anetc.data.spec import FORMATS, parse_spec, spec_text
from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.run_settings import Running, RunSettings, settings_of
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.settings_reader import (
    NamedValues,
    named_values,
    option_values,
    read_changes,
    read_toml,
    read_value,
)

_UNKNOWN_CLASSES = 1
MAY_CHANGE = ("executor", "gpus", "per_gpu", "timeout", "retries", "keep_all_weights")
"""Settings that a resumed search accepts: they change how trials run, not the search."""


def preset(name: str) -> RunSettings:
    """Return the settings of a preset. The number of classes is set from the data later."""
    if name == "small":
        # For a laptop: a trial takes a minute, so edge weights leave 0.5 only if they learn faster
        # than the other parameters (docs/search.md).
        settings = {
            **{"iterations": 200, "batch": 16, "learning_rate": 0.2, "edge_rate": 4.0},
            **{"warmup": 0.1, "label_smoothing": 0.0},
        }
        return RunSettings(
            SearchSettings(
                space("small", _UNKNOWN_CLASSES),
                candidates=40,
                population=10,
                tournament=3,
                window=2,
            ),
            {"split": "validation", "settings": settings},
            Running(executor="threads:2"),
        )
    # Iterations and batch: 4.1 of the paper.
    return RunSettings(
        SearchSettings(space("paper", _UNKNOWN_CLASSES)),
        {"split": "validation", "settings": {"iterations": 10_000, "batch": 512}},
        Running(),
    )


@attrs.frozen
class Options:
    """Values of the options; None for an option that was not given."""

    data: str | os.PathLike[str] | None
    data_format: str | None
    search: Mapping[str, Any]
    """Values by the names of SearchSettings."""
    limits: Mapping[str, Any]
    """Values by the names of Limits."""
    settings: Mapping[str, Any]
    """Values by the names of TrainSettings."""
    recipe: Mapping[str, Any]
    """Values by the names of ClipSettings."""
    running: Mapping[str, Any]
    """Values by the names of Running."""


def new_settings(preset_name: str, config: str | None, options: Options) -> RunSettings:
    """Return the settings of a new search: preset, then file, then options.

    Raise CannotRun for settings that are wrong, as far as that can be checked without the data.
    """
    settings = preset(preset_name)
    if config is not None:
        given = read_toml(config)
        settings = settings_of(given, settings)
        _check_trial_tables(given.table("trial"))
    trial = _trial_with_options(settings.trial, options)
    _check_trial(_trial_table(trial))
    search = read_changes(option_values(options.search), settings.search)
    search = attrs.evolve(search, limits=read_changes(option_values(options.limits), search.limits))
    running = with_options(settings.running, options.running)
    _check_inheritance(trial, running)
    if running.inherit:
        # Learned edge weights are weights too.
        search = attrs.evolve(search, keep_weights=True)
    return RunSettings(search, trial, running, settings.finals)


def with_options(running: Running, options: Mapping[str, Any]) -> Running:
    """Return how trials are run, changed by options.

    Where options name GPUs but no executor, the number of trials at a time follows the GPUs.
    """
    if "executor" not in options and ("gpus" in options or "per_gpu" in options):
        options = {"executor": "threads", **options}
    return read_changes(option_values(options), running)


def check_changed_settings(path: str, settings: RunSettings) -> None:
    """Raise CannotRun if the settings file of a run, which a person has changed, is wrong."""
    given = read_toml(path)
    _check_trial(given.table("trial") if "trial" in given.values else _trial_table(settings.trial))
    _check_inheritance(settings.trial, settings.running)
    classes, of_data = settings.search.space.classes, with_data(settings).search.space.classes
    if classes != of_data:
        message = f"`classes` must be {of_data}, the number of the data's classes, not {classes}"
        raise given.error(message, "search", "space", "classes")


def _check_inheritance(trial: Mapping[str, Any], running: Running) -> None:
    """Raise CannotRun for inherited weights with folds, of which each training may have another.

    A child would start from weights that have been trained on its validation clips.
    """
    if running.inherit and len(fold_specs(parse_spec(trial["data"]))) > 1:
        raise CannotRun(
            f"inherit: with folds= in the data {trial['data']} a child would start from weights "
            "that were trained on its validation clips; name the groups of both splits, such as "
            "train=1,3&validation=5,7, or do without inherited weights"
        )


def with_data(settings: RunSettings) -> RunSettings:
    """Return the settings with the number of classes and the clip size of the data.

    Open the split that candidates are evaluated by. Raise CannotRun if that is not possible.
    """
    from anetc.data.open import open_data
    from anetc.data.recipes import recipes_from_json

    trial = settings.trial
    spec = parse_spec(trial["data"])
    recipes = recipes_from_json(spec, trial.get("recipe", {}), "[trial.recipe]")
    # With an object input, data without object maps are refused here, before the first trial.
    objects = settings.search.space.objects or None
    folds = [
        open_data(fold, trial["split"], recipes.validation, flow=False, objects=objects)
        for fold in fold_specs(spec)
    ]
    opened = folds[0]
    if not all(map(len, folds)):
        raise CannotRun(f"--data {trial['data']}: the split {trial['split']} is empty")
    search, clip = settings.search, recipes.train
    return attrs.evolve(
        settings,
        search=attrs.evolve(
            search,
            space=attrs.evolve(search.space, classes=len(opened.classes)),
            limits=attrs.evolve(search.limits, frames=clip.frames, size=clip.size),
        ),
    )


def _trial_with_options(trial: Mapping[str, Any], options: Options) -> dict[str, Any]:
    changed = dict(trial)
    if options.data is not None:
        spec = parse_spec(options.data, options.data_format)
    elif "data" in trial:
        spec = parse_spec(trial["data"])
    else:
        raise CannotRun("--data is missing: a folder, a file, or motion")
    if spec.path is not None and (spec.format in FORMATS or Path(spec.path).exists()):
        # A trial runs in a folder of its own. The path of another package's format may be none.
        spec = attrs.evolve(spec, path=str(Path(spec.path).absolute()))
    changed["data"] = spec_text(spec)
    if "device" in options.settings:
        changed.pop("device", None)  # the table's own device would replace that of the settings
    for name, given in (("settings", options.settings), ("recipe", options.recipe)):
        if values := {**trial.get(name, {}), **option_values(given).values}:
            changed[name] = values
    return changed


def _trial_table(trial: Mapping[str, Any]) -> NamedValues:
    return named_values({"trial": trial}, "the settings").table("trial")


def _check_trial(trial: NamedValues) -> None:
    """Raise CannotRun if the table [trial] lacks a setting, or has a wrong one."""
    for key in ("data", "split", "settings"):
        if key not in trial.values:
            raise trial.error(f"`{key}` is missing in [trial]")
    _check_trial_tables(trial)


def _check_trial_tables(trial: NamedValues) -> None:
    """Raise CannotRun for wrong settings in [trial.settings] and [trial.recipe]."""
    from anetc.data.recipes import ClipSettings
    from anetc.training.settings import TrainSettings
    from anetc.trial.job import NO_PATIENCE

    settings = trial.table("settings")
    if "seed" in settings.values:
        message = "[trial.settings] has no `seed`: each trial has its own, made from `search.seed`"
        raise settings.error(message, "seed")
    if settings.values.get("patience") is not None:
        raise settings.error(NO_PATIENCE, "patience")
    read_value(settings, TrainSettings)
    read_value(trial.table("recipe"), ClipSettings)
