"""Files of a candidate: its text, its record, and a folder for each start of its training."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.evolve.candidates import Record
from anetdsl.evolve.contract import (
    DEFAULT_BATCH,
    ParentWeights,
    TrialFolder,
    TrialJob,
    more_parts,
)
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import Candidate, read_operations
from anetdsl.evolve.operations import Operation, operations_to_json
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.files import make_folder, write_atomically
from anetdsl.settings_reader import as_kind

_RECORD_SCHEMA = "anetdsl-candidate"
_DRIVER_FIELDS = {"faults": "faults", "short": "short_fitness", "bar": "promotion_threshold"}
"""Fields of Candidate by their keys in `record.json`."""
_TYPES = {**typing.get_type_hints(Record), **typing.get_type_hints(Candidate)}


def seed_of(seed: int, index: int) -> int:
    """Return the seed of a candidate's training, below 2^31; all starts have the same seed."""
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def iterations_of(settings: RunSettings, candidate: Candidate) -> int | None:
    """Return the training steps of a candidate's next start; None is the trial's default.

    A second look takes as many steps as the training that it confirms.
    """
    if candidate.record.confirms is not None:
        return candidate.record.iterations
    full: int | None = settings.trial.get("settings", {}).get("iterations")
    if full is not None and settings.search.method == "oneshot" and candidate.index == 0:
        return full * settings.search.oneshot_steps
    if full is not None and settings.running.halving > 1 and candidate.short_fitness is None:
        return max(1, full // settings.running.halving)
    return full


# The folder of a trial


def job_of(
    directory: RunDir,
    settings: RunSettings,
    candidate: Candidate,
    parent: Candidate | None,
    operations: tuple[Operation, ...] = (),
) -> TrialJob:
    """Return the job of a candidate's next start.

    With a parent, training starts from the parent's weights; `operations` lead from the parent to
    the candidate.
    """
    training = dict(settings.trial.get("settings", {}))
    training["seed"] = seed_of(settings.search.seed, candidate.index)
    iterations = iterations_of(settings, candidate)
    if iterations is not None:
        training["iterations"] = iterations
    if candidate.record.failure == "out_of_memory":
        training["accumulate"] = _parts_after_faults(training, candidate.faults)
    init_from = None
    if parent is not None:
        folder = last_trial(directory, parent)
        init_from = ParentWeights(
            str(folder.weights.absolute()),
            str(folder.trained.absolute()),
            operations,
        )
    return attrs.evolve(
        TrialJob.from_values(settings.trial, f"{directory.settings}: [trial]"),
        settings=training,
        timeout=settings.running.timeout,
        init_from=init_from,
    )


def _parts_after_faults(training: Mapping[str, Any], faults: int) -> int:
    """Return the number of parts of a step after a trial ran out of memory: smaller parts."""
    batch, parts = int(training.get("batch", DEFAULT_BATCH)), int(training.get("accumulate", 1))
    for _ in range(faults):
        parts = more_parts(batch, parts) or parts
    return parts


def last_trial(directory: RunDir, candidate: Candidate) -> TrialFolder:
    """Return the folder of a candidate's last start."""
    return directory.trial_folder(candidate.name, candidate.record.attempts)


def write_trial(directory: RunDir, candidate: Candidate, job: TrialJob) -> TrialFolder:
    """Make the folder of a candidate's last start and write its text and its job there."""
    folder = last_trial(directory, candidate)
    make_folder(folder.path)
    write_atomically(folder.candidate, candidate.proposal)
    write_atomically(folder.job, json.dumps(job.to_json(), indent=1) + "\n")
    return folder


def delete_weights(directory: RunDir, name: str) -> None:
    """Delete the weights that a candidate's trials left. Other files stay."""
    with contextlib.suppress(OSError):
        for folder in directory.candidate_folder(name).iterdir():
            if folder.is_dir():
                TrialFolder(folder).weights.unlink(missing_ok=True)


def delete_unfinished(folder: TrialFolder) -> None:
    """Delete the weights and checkpoints of a trial that did not finish."""
    with contextlib.suppress(OSError):
        for path in folder.path.glob("*.safetensors"):
            path.unlink(missing_ok=True)
        shutil.rmtree(folder.checkpoints, ignore_errors=True)


# The text and the record


def write_text(directory: RunDir, candidate: Candidate) -> None:
    """Write `archs/NAME.anet`."""
    write_atomically(directory.arch(candidate.name), candidate.record.text)


def write_record(directory: RunDir, candidate: Candidate) -> None:
    """Write `trials/NAME/record.json`, from which `--rebuild` makes the database."""
    make_folder(directory.candidate_folder(candidate.name))
    write_atomically(directory.record(candidate.name), record_text(candidate))


def record_text(candidate: Candidate) -> str:
    """Return the content of `record.json`: all fields except the texts, which are other files."""
    values = attrs.asdict(candidate.record, recurse=False)
    del values["text"]
    values["operations"] = operations_to_json(candidate.record.operations)
    own = {key: getattr(candidate, field) for key, field in _DRIVER_FIELDS.items()}
    record = {"schema": _RECORD_SCHEMA, "schema_version": 1, **values, **own}
    return json.dumps(record, indent=1) + "\n"


def read_record(path: Path, record: Record) -> tuple[Record, dict[str, Any]]:
    """Return the record with the values of its file, and the other fields of its Candidate.

    A candidate that is neither done nor failed becomes `proposed`. Raise OSError, or ValueError,
    TypeError or KeyError if the file is not a record of this candidate.
    """
    values = json.loads(path.read_bytes())
    if not isinstance(values, dict) or values.get("schema") != _RECORD_SCHEMA:
        raise ValueError("it is not a record")
    del values["schema"], values["schema_version"]
    # Runs of earlier versions have sentences under `ops`.
    operations = read_operations(values.pop("ops" if "ops" in values else "operations"))
    own = {field: as_kind(values.pop(key), _TYPES[field]) for key, field in _DRIVER_FIELDS.items()}
    values = {name: as_kind(value, _TYPES[name]) for name, value in values.items()}
    if (values["index"], values["name"]) != (record.index, record.name):
        raise ValueError("it is the record of another candidate")
    if values["status"] not in ("done", "failed"):
        values["status"] = "proposed"
    if (values["status"] == "done") != (values["fitness"] is not None):
        raise ValueError("its status and its fitness contradict each other")
    return Record(text=record.text, operations=operations, **values), own
