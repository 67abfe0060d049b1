"""The files of a candidate: its text, its record, and a folder for each start of its training."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import Candidate
from anetdsl.evolve.operations import operations_to_json
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.files import write_atomically

SCHEMA = "anetdsl-trial-job"
RECORD_SCHEMA = "anetdsl-candidate"


def seed_of(seed: int, index: int) -> int:
    """The seed of a candidate's training, below 2^31: the same for each of its starts."""
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def iterations_of(asked: RunSettings, candidate: Candidate) -> int | None:
    """How long a candidate is trained at its next start; None is the trial's own default."""
    full: int | None = asked.trial.get("settings", {}).get("iterations")
    if full is not None and asked.running.halving > 1 and candidate.short is None:
        return max(1, full // asked.running.halving)
    return full


def job_of(
    directory: RunDir, asked: RunSettings, candidate: Candidate, parent: Candidate | None
) -> dict[str, Any]:
    """`job.json` of a next start; with a parent, training starts from the parent's weights."""
    settings = dict(asked.trial.get("settings", {}))
    settings["seed"] = seed_of(asked.search.seed, candidate.index)
    iterations = iterations_of(asked, candidate)
    if iterations is not None:
        settings["iterations"] = iterations
    job = {"schema": SCHEMA, "schema_version": 1, **asked.trial, "settings": settings}
    job["timeout"] = asked.running.timeout
    job["init_from"] = None
    if parent is not None:
        weights = weights_of(directory, parent).absolute()
        job["init_from"] = {
            "weights": str(weights),
            "text": str(weights.with_name("trained.anet")),
            "operations": operations_to_json(candidate.record.operations),
        }
    return job


def weights_of(directory: RunDir, candidate: Candidate) -> Path:
    """The weights that a candidate's last start has left, if it has, and they were not removed."""
    return directory.job(candidate.name, candidate.record.attempts) / "weights.safetensors"


def write_job(directory: RunDir, candidate: Candidate, job: Mapping[str, Any]) -> str:
    """Make the folder of the start that a candidate's record counts last; its path."""
    folder = directory.job(candidate.name, candidate.record.attempts)
    _make(folder)
    write_atomically(folder / "candidate.anet", candidate.proposal)
    write_atomically(folder / "job.json", json.dumps(job, indent=1) + "\n")
    return str(folder.absolute())


def write_text(directory: RunDir, candidate: Candidate) -> None:
    """`archs/NAME.anet`."""
    write_atomically(directory.arch(candidate.name), candidate.record.text)


def write_record(directory: RunDir, candidate: Candidate) -> None:
    """`trials/NAME/record.json`, from which the database can be made anew."""
    _make(directory.trial(candidate.name))
    write_atomically(directory.record(candidate.name), record_text(candidate))


def record_text(candidate: Candidate) -> str:
    """All that is known of a candidate, but the texts that other files hold, JSON."""
    values = attrs.asdict(candidate.record, recurse=False)
    del values["text"]
    values["operations"] = operations_to_json(candidate.record.operations)
    own = {"faults": candidate.faults, "short": candidate.short, "bar": candidate.bar}
    record = {"schema": RECORD_SCHEMA, "schema_version": 1, **values, **own}
    return json.dumps(record, indent=1) + "\n"


def drop_weights(directory: RunDir, name: str) -> None:
    """Remove the weights that a candidate's trials left; what else they left stays."""
    with contextlib.suppress(OSError):
        for path in directory.trial(name).glob("*/weights.safetensors"):
            path.unlink(missing_ok=True)


def drop_start(directory: RunDir, name: str, start: int) -> None:
    """Remove the weights and checkpoints of a start that came to nothing."""
    folder = directory.job(name, start)
    with contextlib.suppress(OSError):
        for path in folder.glob("*.safetensors"):
            path.unlink(missing_ok=True)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"{folder}: cannot be made: {error.strerror}") from None
