"""`anetc.search`: search for a network for a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anetc.api.finals import check_finals, with_whole_paths
from anetc.api.search_device import search_device_line, with_automatic_workers
from anetc.api.search_settings import (
    MAY_CHANGE,
    Options,
    check_changed_settings,
    new_settings,
    with_data,
    with_options,
)
from anetc.data.recipes import ClipSettings, clip_arguments
from anetc.training.settings import TrainSettings
from anetc.trial.search_data import check_search_data, missing_flow_line, write_search_data
from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.settings.finals_settings import FinalsSettings
from anetdsl.settings_reader import option_values

if TYPE_CHECKING:
    from anetdsl.evolve.drive.driver import Driver, Rules
    from anetdsl.evolve.settings.run_settings import RunSettings

_SEARCH = ("method", "seed", "candidates", "population", "order", "window")
_LIMITS = {"max_params": "parameters", "max_macs": "multiply_adds", "max_depth": "depth"}
_RUNNING = (*MAY_CHANGE, "inherit", "halving")
_TRAINING = tuple(name for name in attrs.fields_dict(TrainSettings) if name != "seed")
_CLIPS = tuple(attrs.fields_dict(ClipSettings))


@attrs.frozen
class SearchResult:
    """The state of a search after `search`."""

    folder: Path
    """Folder of the search."""
    is_finished: bool
    """False if the search was stopped; it can be resumed."""
    candidates: int
    """Number of candidates of the whole search."""
    done: int
    """Number of candidates that have been trained."""
    failed: int
    """Number of candidates whose training failed."""
    fitness: float | None
    """Fitness of the best candidate: the sum of top-1 and top-5, or the mAP, in per cent."""
    standard_error: float | None
    """Standard error of the fitness."""
    best: Path | None
    """Text of the best candidate, with its score and learned edge weights."""
    has_finals: bool = False
    """True if the settings have a table [finals]; `anetc.finals` runs these finals."""


def search(
    data: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    *,
    format: str | None = None,
    resume: bool = False,
    preset: str = "paper",
    config: str | os.PathLike[str] | None = None,
    accept_changed_videos: bool = False,
    ready: Callable[[Driver], Callable[[], None] | None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
    message: Callable[[str], None] = lambda _: None,
    **settings: Any,
) -> SearchResult:
    """Search for a network for a data set by evolution, as `anetc evolve` does.

    The search trains each candidate in a process of its own. It ends when all candidates are
    trained; a search that was interrupted continues with `resume`.

    Args:
        data: Name of the data set, as for `--data`. None with `resume`, or if `config` names it.
        out: Folder of the search; docs/search.md lists its files.
        format: Format of `data`, if its path does not show it.
        resume: Continue the search in `out`, with its settings.
        preset: Settings to start from: `paper`, or `small` for a laptop.
        config: TOML file whose settings replace those of the preset.
        accept_changed_videos: With `resume`: go on although videos were added or removed.
        ready: Called with the driver before it starts, which can be stopped by its `stopping`; may
            return a function that is called after each change.
        warn: Called with a warning, such as about changed videos.
        message: Called with lines about the device of the trials, before they start.
        **settings: The options of `anetc evolve` with `_` for `-`, such as `candidates`, `method`,
            `population`, `max_params`, `executor`; and fields of `TrainSettings` (iterations,
            batch, ...) and `ClipSettings` (frames, size, ...) for the training of candidates; with
            `workers="auto"` all trials together load clips by all processors. A resumed search
            accepts `executor`, `gpus`, `per_gpu`, `timeout`, `retries` and `keep_all_weights`.

    Raises:
        CannotRun: A setting is wrong, or the search cannot start or continue.
    """
    from anetdsl.evolve.drive.search import drive_run

    directory = RunDir(Path(out))
    given, line = option_values(clip_arguments(settings)), ""
    if "rounds" in given.values:
        raise given.error("this option is now `--candidates`", "rounds")
    if resume:
        if data is not None or config is not None:
            raise CannotRun(
                f"{out}: a resumed search has its own data and settings; leave out both"
            )
        given.check_names(MAY_CHANGE)
    else:
        given.check_names((*_SEARCH, *_LIMITS, *_RUNNING, *_TRAINING, *_CLIPS, "finals"))
        if accept_changed_videos:
            raise CannotRun(
                "--accept-changed-videos: has an effect with --resume only; leave it out"
            )
        automatic = given.values.get("workers") == "auto"
        options = _options(data, format, {**given.values, **({"workers": 0} if automatic else {})})
        new = new_settings(preset, None if config is None else str(config), options)
        if given.values.get("finals") and new.finals is None:
            new = attrs.evolve(new, finals=FinalsSettings())
        if automatic:
            new = with_automatic_workers(new)
            message(f"--workers auto: {new.trial['settings']['workers']} for each trial")
        line = search_device_line(new)
        _make(directory, with_whole_paths(new))

    def check_settings(current: RunSettings) -> None:
        check_changed_settings(str(directory.settings), current)
        if current.finals is not None:
            check_finals(current, current.finals)

    def check_data(current: RunSettings) -> None:
        warning = check_search_data(
            directory.path, current.trial, accept_changed_videos=accept_changed_videos
        )
        if warning:
            warn(warning)

    def announced(driver: Driver) -> Callable[[], None] | None:
        if shown := search_device_line(driver.settings) if resume else line:
            message(shown)
        if missing := missing_flow_line(driver.settings.trial):
            warn(missing)
        return ready(driver)

    is_finished = drive_run(
        directory,
        _rules(),
        change=lambda running: with_options(running, _chosen(given.values, MAY_CHANGE)),
        check=check_settings,
        # A new search has just recorded them.
        check_data=check_data if resume else lambda _: None,
        ready=announced,
    )
    return _result(directory, is_finished=is_finished)


def _make(directory: RunDir, settings: RunSettings) -> None:
    from anetdsl.evolve.drive.search import make_run

    settings = with_data(settings)
    if settings.finals is not None:
        check_finals(settings, settings.finals)
    make_run(
        directory,
        settings,
        write_data=lambda folder: write_search_data(folder, settings.trial),
    )


def _options(
    data: str | os.PathLike[str] | None, format: str | None, given: Mapping[str, Any]
) -> Options:
    recipe = {name: _as_lists(value) for name, value in _chosen(given, _CLIPS).items()}
    return Options(
        data=data,
        data_format=format,
        search=_chosen(given, _SEARCH),
        limits={limit: given[name] for name, limit in _LIMITS.items() if name in given},
        settings=_chosen(given, _TRAINING),
        recipe=recipe,
        running=_chosen(given, _RUNNING),
    )


def _as_lists(value: Any) -> Any:
    """Return tuples as lists, which settings files have."""
    return [_as_lists(item) for item in value] if isinstance(value, tuple | list) else value


def _chosen(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _rules() -> Rules:
    from anetdsl.evolve.drive.driver import Rules
    from anetdsl.evolve.propose.algorithms import population, propose

    return Rules(propose, population)


def _result(directory: RunDir, *, is_finished: bool) -> SearchResult:
    from anetdsl.evolve.drive.search_progress import progress_of
    from anetdsl.evolve.drive.store import open_for_reading

    with open_for_reading(directory) as store:
        settings = store.settings()
        progress = progress_of(store, settings.search.candidates)
    name, fitness = progress.best or (None, None)
    return SearchResult(
        directory.path,
        is_finished,
        progress.candidates,
        progress.done,
        progress.failed,
        None if fitness is None else fitness.mean,
        None if fitness is None else fitness.standard_error,
        None if name is None else directory.arch(name),
        settings.finals is not None,
    )
