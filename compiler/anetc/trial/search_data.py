"""The data of a search: recorded in its folder when it starts, and compared when it is resumed.

`RUN/data.json` holds what the candidates are trained on and a digest of the videos; `videos.jsonl`
lists them. This module does not need torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anetc.data.folds import fold_specs
from anetc.data.open import open_data
from anetc.data.recipes import recipes_from_json
from anetc.data.spec import parse_spec
from anetc.data.upkeep.missing_flow import missing_flow
from anetc.training.data_record import (
    DataRecord,
    check_same_classes,
    check_same_data,
    record_from_json,
    record_of,
    trained_on_of,
    write_videos,
)
from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from anetc.data.values import Dataset, Split

SCHEMA = "anetdsl-search-data"
SCHEMA_VERSION = 1


def write_search_data(folder: Path, trial: Mapping[str, Any]) -> None:
    """Write the record of the data that a table [trial] names into the folder of a search.

    Raise CannotRun if the data cannot be opened or the files cannot be written.
    """
    datasets, record = _opened(trial)
    _write(folder, trial, datasets, record)


def check_search_data(
    folder: Path, trial: Mapping[str, Any], *, accept_changed_videos: bool = False
) -> str | None:
    """Compare the data of a search with its record, before the search is resumed.

    The record is written again where it may differ. Return a warning: about videos that have
    changed, which needs `accept_changed_videos`, or about a search of an old version, whose data
    cannot be compared. Raise CannotRun if the classes have changed. With other `data` in the
    settings, only the classes must be the same.
    """
    path = RunDir(folder).data
    datasets, now = _opened(trial)
    found = _read(path)
    if found is None:
        _write(folder, trial, datasets, now)
        return (
            f"{folder}: an old version began this search and recorded neither classes nor videos, "
            "so they cannot be compared with the data"
        )
    place, before = found
    warning = None
    if place == _place(trial):
        warning = check_same_data(
            path, before, now, datasets, accept_changed_videos=accept_changed_videos
        )
    else:
        check_same_classes(path, before, now)
    if before != now or place != _place(trial):
        _write(folder, trial, datasets, now)
    return warning


def missing_flow_line(trial: Mapping[str, Any]) -> str | None:
    """Return a line about the flow of the data that the trials compute for each clip, or None."""
    spec = fold_specs(parse_spec(trial["data"]))[0]
    found = missing_flow(spec, recipes_from_json(spec, trial.get("recipe", {}), "[trial.recipe]"))
    if found is None:
        return None
    return (
        f"the optical flow{found.part} is not in the cache, so each trial computes it again for "
        f"each clip; `{found.command}` computes it once, also while trials run"
    )


def _opened(trial: Mapping[str, Any]) -> tuple[tuple[Dataset, ...], DataRecord]:
    """Open the splits of the trials; return them and their record."""
    # All folds have the same videos, in other splits.
    spec = fold_specs(parse_spec(trial["data"]))[0]
    recipes = recipes_from_json(spec, trial.get("recipe", {}), "[trial.recipe]")
    split: Split = trial["split"]
    training = open_data(spec, "train", recipes.train, flow=False)
    evaluated = open_data(spec, split, recipes.validation, flow=False)
    trained_on = trained_on_of(training, evaluated, recipes)
    datasets = (training,) if split == "train" else (training, evaluated)
    return datasets, record_of(datasets, trained_on)


def _place(trial: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": trial["data"], "split": trial["split"]}


def _write(
    folder: Path, trial: Mapping[str, Any], datasets: tuple[Dataset, ...], record: DataRecord
) -> None:
    write_videos(folder, datasets)
    document = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **_place(trial),
        **record.to_json(),
    }
    write_atomically(RunDir(folder).data, json.dumps(document, indent=2) + "\n")


def _read(path: Path) -> tuple[dict[str, Any], DataRecord] | None:
    """Return the data and the record of the file, or None if there is no file."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        record = record_from_json(document)
        if record is not None:
            return _place(document), record
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        pass
    raise CannotRun(f"{path}: cannot be read; remove it, and the data are recorded again")
