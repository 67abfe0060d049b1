"""The folder of a study: its plan, its networks before training, and a file for each result.

    STUDY.json          the plan of a study, such as edges.json
    networks/NAME.anet  the networks that the plans name
    searches/*.json     the results of searches (`searches`)
    trainings/*.json    the results of trainings (`trainings`)

With these files the tables are made again without training, and a study continues with its own
networks after an example has changed. Several studies with the same data may share a folder, and so
their searches and trainings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from anetc.study.networks import StudyNetwork
from anetc.training.data_record import SplitVideos
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.files import make_folder, write_atomically
from anetdsl.settings_reader import named_values, read_value

T = TypeVar("T")

SCHEMA = "anetdsl-study"
SCHEMA_VERSION = 1
_EXTENSIONS = (
    *("seeds", "methods", "examples", "random", "settings"),
    *("long_iterations", "long_seeds", "final_seeds"),
)
"""Settings of a plan that a later command may change: the results so far stay valid."""


@attrs.frozen
class ResultsFolder:
    """The paths in the folder of a study."""

    path: Path

    def plan(self, study: str) -> Path:
        """Return the path of the plan of a study."""
        return self.path / f"{study}.json"

    @property
    def networks(self) -> Path:
        """Folder of the networks."""
        return self.path / "networks"

    @property
    def trainings(self) -> Path:
        """Folder of the results of trainings."""
        return self.path / "trainings"


def write_plan(
    folder: ResultsFolder,
    study: str,
    plan: Any,
    networks: Sequence[StudyNetwork],
    videos: SplitVideos,
) -> list[StudyNetwork]:
    """Write the plan and the networks of a study; return the networks to use.

    The folder is created if necessary. A network that the folder has is not replaced: the study
    continues with it. `videos` is the record of the training videos. Raise CannotRun if a file
    cannot be read or written, if the folder has a study of data with the same name and other
    videos, or if it has the same study with other settings than `_EXTENSIONS`.
    """
    document = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "study": study,
        "plan": json.loads(json.dumps(attrs.asdict(plan))),
        "videos": attrs.asdict(videos),
        "networks": [network.name for network in networks],
    }
    make_folder(folder.networks)
    for path in sorted(folder.path.glob("*.json")):
        try:
            known = _document(path)
        except CannotRun:
            continue  # it is no plan, or it is damaged
        _check_same_study(path, known, document)
    used = []
    for network in networks:
        path = folder.networks / f"{network.name}.anet"
        if path.exists():
            used.append(_stored(folder, network.name))
        else:
            write_atomically(path, network.text)
            used.append(network)
    write_atomically(folder.plan(study), json.dumps(document, indent=1) + "\n")
    return used


def left_out(folder: ResultsFolder, study: str, plan: Any) -> list[str]:
    """Return the methods, examples and settings that the study in a folder has and a plan lacks."""
    try:
        known = _document(folder.plan(study))["plan"]
    except CannotRun:
        return []
    fields = ("methods", "examples", "settings")
    return [
        name
        for field in fields
        for name in known.get(field) or ()
        if name not in getattr(plan, field, ())
    ]


def _check_same_study(path: Path, known: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Raise CannotRun if a plan in the folder does not agree with the new one."""
    old, new = known["plan"], document["plan"]
    videos = document["videos"]
    if old.get("data") == new["data"] and known.get("videos", videos) != videos:
        raise CannotRun(
            f"{path}: its results are of other videos of the same name; name another --out, or "
            "restore the videos, if some were added, removed or put into quarantine"
        )
    if known.get("study") != document["study"]:
        return
    for name, value in new.items():
        if name not in old:
            raise CannotRun(
                f"{path}: the plan has no `{name}`, so it is of another version; name another "
                "--out, or add the setting"
            )
        if name not in _EXTENSIONS and old[name] != value:
            raise CannotRun(
                f"{path}: the study has `{name}` {json.dumps(old[name])}, and not "
                f"{json.dumps(value)}; name another --out, or continue it with the same settings"
            )


def read_plan(folder: ResultsFolder, study: str, cls: type[T]) -> tuple[T, list[StudyNetwork]]:
    """Return the plan and the networks of a study.

    Raise CannotRun if the folder has none, or the plan of a version with other settings.
    """
    path = folder.plan(study)
    document = _document(path)
    fields = {field.name for field in attrs.fields(cls)}  # type: ignore[arg-type]
    if missing := sorted(fields - document["plan"].keys()):
        raise CannotRun(
            f"{path}: the plan has no `{missing[0]}`, so it is of another version; run the study "
            "again with --out, or add the setting"
        )
    plan = read_value(named_values(document["plan"], f"{path}: plan"), cls)
    return plan, [_stored(folder, name) for name in document["networks"]]


def _stored(folder: ResultsFolder, name: str) -> StudyNetwork:
    path = folder.networks / f"{name}.anet"
    try:
        return StudyNetwork(name, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_read(path, error) from None


def _document(path: Path) -> dict[str, Any]:
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CannotRun(
            f"{path}: no such file; the folder holds no results of this study"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CannotRun(f"{path}: cannot be read: {error}") from None
    if (
        not isinstance(document, dict)
        or document.get("schema") != SCHEMA
        or not isinstance(document.get("plan"), dict)
        or not isinstance(document.get("networks"), list)
    ):
        raise CannotRun(f"{path}: is no plan of a study")
    return document
