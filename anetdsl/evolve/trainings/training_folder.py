"""Files of a set of trainings.

    FOLDER/NAME.json         state and result of a training (`TrainingRecord`)
    FOLDER/NAME/1/           first start of the training, with the files of a trial (`TrialFolder`)
    FOLDER/NAME/checkpoints/ states from which a later start continues; deleted when it is done
    FOLDER/lock              locked by the one process that runs the trainings
    FOLDER/heartbeat         rewritten while trainings run on other machines

A folder can be read while trainings run in it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import attrs

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.evolve.contract import TrialFolder
from anetdsl.evolve.trainings.training import Training, TrainingRecord
from anetdsl.files import make_folder, write_atomically


@attrs.frozen
class TrainingFolder:
    """A folder of trainings."""

    path: Path = attrs.field(converter=Path)

    @property
    def lock(self) -> Path:
        """File that the process which runs the trainings locks."""
        return self.path / "lock"

    @property
    def heartbeat(self) -> Path:
        """File that is rewritten while trainings run on other machines."""
        return self.path / "heartbeat"

    def record(self, name: str) -> Path:
        """Return the path of a training's record."""
        return self.path / f"{name}.json"

    def starts(self, name: str) -> Path:
        """Return the folder that holds a folder for each start of a training."""
        return self.path / name

    def checkpoints(self, name: str) -> Path:
        """Return the folder of a training's checkpoints."""
        return self.starts(name) / "checkpoints"

    def trial_folder(self, record: TrainingRecord) -> TrialFolder:
        """Return the folder of a training's last start."""
        return TrialFolder(self.starts(record.name) / str(record.starts))


def read_training(folder: TrainingFolder, training: Training) -> TrainingRecord:
    """Return the record of a training; a new one if there is no file.

    Raise CannotRun if the file cannot be used, or belongs to another training of this name.
    """
    path = folder.record(training.name)
    try:
        record = TrainingRecord.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return TrainingRecord.of(training)
    except OSError as error:
        raise cannot_read(path, error) from None
    except (ValueError, RecursionError) as error:
        raise CannotRun(f"{path}: {error}; delete it, and the training is run again") from None
    if record.digest != training.digest:
        raise CannotRun(
            f"{path}: is of a training with another network or other settings; use another folder, "
            "or delete this file to run the training again"
        )
    return record


def read_trainings(folder: TrainingFolder) -> tuple[TrainingRecord, ...]:
    """Return all readable records of a folder, sorted by name, also while trainings run."""
    records = []
    for path in sorted(folder.path.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            records.append(TrainingRecord.from_json(json.loads(path.read_bytes())))
    return tuple(records)


def write_training(folder: TrainingFolder, record: TrainingRecord) -> None:
    """Write a training's record."""
    make_folder(folder.path)
    text = json.dumps(record.to_json(), indent=1) + "\n"
    is_result = record.status in ("done", "failed")
    write_atomically(folder.record(record.name), text, durable=is_result)


def write_start(folder: TrainingFolder, training: Training, record: TrainingRecord) -> TrialFolder:
    """Make the folder of a training's next start, and write its text and its job there."""
    trial = folder.trial_folder(record)
    make_folder(trial.path)
    job = training.job
    if job.evaluate is None:
        job = attrs.evolve(job, checkpoints=str(folder.checkpoints(training.name).absolute()))
    write_atomically(trial.candidate, training.text)
    write_atomically(trial.job, json.dumps(job.to_json(), indent=1) + "\n")
    return trial


def delete_checkpoints(folder: TrainingFolder, name: str) -> None:
    """Delete the checkpoints of a training."""
    shutil.rmtree(folder.checkpoints(name), ignore_errors=True)


def delete_trained_weights(folder: TrainingFolder, record: TrainingRecord) -> None:
    """Delete the weights of a training. Other files stay."""
    with contextlib.suppress(OSError):
        folder.trial_folder(record).weights.unlink(missing_ok=True)
