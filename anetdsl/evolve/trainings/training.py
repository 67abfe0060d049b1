"""Trainings as values: what is trained, and what came out of it.

A training is a trial (`anetdsl.evolve.contract`) with a name of its own, so that it can be found
again: after a stop, trainings that are done are not run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import attrs

from anetdsl.evolve.contract import FailureKind, Split, TrialJob
from anetdsl.settings_reader.value_types import finite_number

TRAINING_SCHEMA = "anetdsl-training"
TRAINING_VERSION = 1

TrainingStatus = Literal["waiting", "running", "done", "failed"]


@attrs.frozen
class Training:
    """A training from the start, or an evaluation of weights (`job.evaluate`)."""

    name: str
    """Name of the training, which is also the name of its files."""
    network: str
    """Name of the network in tables."""
    text: str
    """Text of the network, without learned weights."""
    job: TrialJob
    stage: str = ""
    """Purpose of the training, such as `comparison`, for people who read its file."""

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the result depends on."""
        document = {k: v for k, v in self.job.to_json().items() if k not in _FREE}
        return hashlib.sha256(json.dumps([self.text, document]).encode()).hexdigest()

    @property
    def iterations(self) -> int:
        """Number of training steps; 0 for an evaluation. Raise KeyError if the job has none."""
        return 0 if self.job.evaluate is not None else int(self.job.settings["iterations"])


_FREE = ("timeout", "device", "checkpoints", "evaluate")
"""Values of a job that may differ when a training is run again: paths, and where it runs."""


@attrs.frozen(kw_only=True)
class TrainingRecord:
    """State and result of a training, as in `NAME.json`. Times are seconds since the epoch.

    Values that are not known yet are None.
    """

    name: str
    network: str
    stage: str = ""
    digest: str
    """SHA-256 of the text and the job: a record counts for the same training only."""
    status: TrainingStatus = "waiting"
    iterations: int
    """Number of training steps; 0 for an evaluation."""
    seed: int | None = None
    learning_rate: float | None = None
    """Peak learning rate; None is the default of the training."""
    data: str = ""
    split: Split = "validation"
    """Split of the measures."""
    starts: int = 0
    """Number of times that the training was started."""
    fitness: float | None = None
    """top1 + top5 in percent; the mAP where videos have several labels."""
    measures: Mapping[str, float | None] = {}
    parameters: int | None = None
    multiply_adds: int | None = None
    seconds: float | None = None
    """Duration of the last start; a continued training does not count its earlier starts."""
    peak_memory: int | None = None
    failure: FailureKind | None = None
    message: str | None = None
    versions: Mapping[str, str] = {}
    started: float | None = None
    finished: float | None = None

    @classmethod
    def of(cls, training: Training) -> TrainingRecord:
        """Return the record of a training that was not started."""
        settings = training.job.settings
        return cls(
            name=training.name,
            network=training.network,
            stage=training.stage,
            digest=training.digest,
            iterations=training.iterations,
            seed=settings.get("seed"),
            learning_rate=settings.get("learning_rate"),
            data=training.job.data,
            split=training.job.split,
        )

    def measure(self, name: str) -> float | None:
        """Return a measure by name, `fitness` included; None if it is unknown."""
        return self.fitness if name == "fitness" else self.measures.get(name)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the file (docs/schemas/training.schema.json)."""
        values = attrs.asdict(self, recurse=False)
        values |= {"measures": dict(self.measures), "versions": dict(self.versions)}
        return {"schema": TRAINING_SCHEMA, "schema_version": TRAINING_VERSION, **values}

    @classmethod
    def from_json(cls, document: object) -> TrainingRecord:
        """Return the record of a JSON object. Raise ValueError if it is not one."""
        if not isinstance(document, dict) or document.get("schema") != TRAINING_SCHEMA:
            raise ValueError("it is not the record of a training")
        values = {k: v for k, v in document.items() if k in attrs.fields_dict(cls)}
        try:
            record = cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None
        if record.status not in get_args(TrainingStatus):
            raise ValueError(f"it has the status {record.status!r:.40}")
        if record.status == "done" and finite_number(record.fitness) is None:
            raise ValueError("it is done and has no finite fitness")
        if not isinstance(record.measures, dict) or not isinstance(record.digest, str):
            raise ValueError("its values have wrong types")
        return record


def fresh_trainings(
    network: str,
    text: str,
    trial: Mapping[str, Any],
    *,
    iterations: int,
    seeds: Iterable[int],
    learning_rate: float | None = None,
    split: Split | None = None,
    stage: str = "",
    label: str = "",
) -> tuple[Training, ...]:
    """Return the trainings of one network from the start, one for each seed.

    Networks that get the same seeds are compared in pairs (`anetdsl.confidence`).

    Args:
        network: Name of the network in tables and in the names of the trainings.
        text: Text of the network, without learned weights (`fresh_text`).
        trial: Values of the table [trial] of a search: data, recipe and settings of the training.
        iterations: Number of training steps.
        seeds: Seeds of the trainings.
        learning_rate: Peak learning rate; None is that of `trial`.
        split: Split of the evaluation; None is that of `trial`.
        stage: Purpose of the trainings.
        label: Part of the trainings' names after the network's name, such as `rate-0.1`.

    Raises:
        CannotRun: A value of `trial` is wrong.
    """
    base = TrialJob.from_values(trial, "[trial]")
    settings = {**base.settings, "iterations": iterations}
    if learning_rate is not None:
        settings["learning_rate"] = learning_rate
    parts = [part for part in (network, stage, label) if part]
    return tuple(
        Training(
            "-".join([*parts, f"seed{seed}"]),
            network,
            text,
            attrs.evolve(base, settings={**settings, "seed": seed}, split=split or base.split),
            stage,
        )
        for seed in seeds
    )
