"""What `anetc evolve` is asked for: a preset, then a settings file, then options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetc.data.spec import parse_spec, spec_text
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.run_settings import Running, RunSettings, check_asked, settings_of
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.evolve.settings.toml import Document, read_document

PRESETS = ("paper", "small")
_TRIAL_KEYS = ("data", "split", "device", "recipe", "settings")
_TRIAL_TABLES = ("recipe", "settings")
_UNKNOWN_CLASSES = 1


def preset(name: str) -> RunSettings:
    """What is asked for where nothing else is said; the number of classes comes with the data."""
    if name == "small":
        # For a laptop: a trial of a minute, in which edge weights leave 0.5 only if they learn
        # faster than the others (docs/search.md).
        settings = {
            **{"iterations": 200, "batch": 16, "learning_rate": 0.2, "edge_rate": 4.0},
            **{"warmup": 0.1, "label_smoothing": 0.0},
        }
        return RunSettings(
            SearchSettings(
                space("small", _UNKNOWN_CLASSES), rounds=40, population=10, tournament=3, window=2
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
    """What the options say; None where one is not given."""

    data: str | None
    data_format: str | None
    search: Mapping[str, Any]
    """By the names of SearchSettings."""
    limits: Mapping[str, Any]
    settings: Mapping[str, Any]
    """Of the training, by the names of TrainSettings."""
    recipe: Mapping[str, Any]
    running: Mapping[str, Any]


def ask(preset_name: str, config: str | None, options: Options) -> RunSettings:
    """All that the search is asked for, checked as far as that needs no data. Raises CannotRun."""
    asked = preset(preset_name)
    document = None
    if config is not None:
        document = read_document(config)
        asked = settings_of(document, asked)
    _check_keys(asked.trial, document)
    trial = _trial_of(asked.trial, options)
    _check_trial(trial)
    search = attrs.evolve(
        asked.search,
        limits=attrs.evolve(asked.search.limits, **_given(options.limits)),
        **_given(options.search),
    )
    running = running_of(asked.running, options.running)
    if running.inherit:
        # Learned edge weights are weights too.
        search = attrs.evolve(search, keep_weights=True)
    asked = RunSettings(search, trial, running)
    check_asked(asked)
    return asked


def check_resumed(asked: RunSettings) -> None:
    """Raise CannotRun where the changed settings of a run cannot be trained by."""
    _check_keys(asked.trial, None)
    _check_trial(asked.trial)
    classes, found = asked.search.space.classes, about_data(asked).search.space.classes
    if classes != found:
        raise CannotRun(f"[search.space]: classes is {classes}; the data have {found}")


def running_of(running: Running, given: Mapping[str, Any]) -> Running:
    """How trials are run, with what options say."""
    return attrs.evolve(running, **_given(given))


def about_data(asked: RunSettings) -> RunSettings:
    """The same, with the data's number of classes and the clip that costs are counted for.

    Opens the split that candidates are judged by. Raises CannotRun where that cannot be done.
    """
    from anetc.data.open import open_data
    from anetc.data.recipes import recipes_from_json

    spec = parse_spec(asked.trial["data"])
    recipes = recipes_from_json(spec, asked.trial.get("recipe", {}), "[trial.recipe]")
    search = asked.search
    opened = open_data(spec, asked.trial["split"], recipes.validation, flow=False)
    if not len(opened):
        raise CannotRun(f"--data {asked.trial['data']}: the split {asked.trial['split']} is empty")
    clip = recipes.train
    return attrs.evolve(
        asked,
        search=attrs.evolve(
            search,
            space=attrs.evolve(search.space, classes=len(opened.classes)),
            limits=attrs.evolve(search.limits, frames=clip.frames, size=clip.size),
        ),
    )


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, ())}


def _trial_of(trial: Mapping[str, Any], options: Options) -> dict[str, Any]:
    found = dict(trial)
    if options.data is not None:
        spec = parse_spec(options.data, options.data_format)
    elif "data" in found:
        spec = parse_spec(found["data"])
    else:
        raise CannotRun("--data is missing: a folder, a file, or motion")
    if spec.path is not None:
        # Trials have the run directory about them, not the folder that the command was given in.
        spec = attrs.evolve(spec, path=str(Path(spec.path).absolute()))
    found["data"] = spec_text(spec)
    for name, given in (("settings", options.settings), ("recipe", options.recipe)):
        if values := {**found.get(name, {}), **_given(given)}:
            found[name] = values
    return found


def _check_keys(trial: Mapping[str, Any], document: Document | None) -> None:
    """Raise CannotRun for what [trial] does not have, or has of another kind."""
    for key, value in trial.items():
        message = None
        if key not in _TRIAL_KEYS:
            guess = did_you_mean(key, _TRIAL_KEYS)
            hint = f"did you mean `{guess}`?" if guess else f"there are {', '.join(_TRIAL_KEYS)}"
            message = f"no setting `{key}` in [trial]; {hint}"
        elif key in _TRIAL_TABLES and not isinstance(value, Mapping):
            message = f"`trial.{key}` is a table"
        elif key not in _TRIAL_TABLES and not isinstance(value, str):
            message = f"`{key}` is a string, not {str(value)[:60]!r}"
        if message is not None:
            raise document.error(("trial", key), message) if document else CannotRun(message)


def _check_trial(trial: Mapping[str, Any]) -> None:
    """Raise CannotRun for what a trial cannot be done by."""
    from anetc.training.settings import settings_from_json

    for key in ("data", "split", "settings"):
        if key not in trial:
            raise CannotRun(f"[trial]: `{key}` is missing")
    if trial["split"] not in ("train", "validation", "test"):
        raise CannotRun("[trial]: split is train, validation or test")
    if "seed" in trial["settings"]:
        raise CannotRun("[trial.settings]: each trial has a seed of its own, from [search] seed")
    settings_from_json(trial["settings"], "[trial.settings]")
