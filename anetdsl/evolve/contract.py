"""The contract between the driver of a search and a trial.

For each start of a candidate's training the driver makes a folder (`TrialFolder`), writes
`candidate.anet` and `job.json` (`TrialJob`) into it, and runs `anetc trial FOLDER`. The trial
trains the candidate, evaluates it and writes `trained.anet`, `weights.safetensors` and, last of
all, `result.json` (`TrialResult`). Each file is complete or absent.

The exit status of `anetc trial` is EXIT_DONE, EXIT_FAILED or EXIT_NO_RESULT. `result.json` counts
if it exists, for any exit status. Without it the exit status determines the kind of failure
(`killed_by`).

Both packages import this module: `anetdsl.evolve` for the driver and `anetc.trial` for the trial.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import attrs

from anetdsl.evolve.operations import Operation, operations_from_json, operations_to_json
from anetdsl.settings_reader import InvalidSetting, NamedValues, above, named_values, read_value
from anetdsl.settings_reader.value_types import finite_number

# Failures

TrialFailure = Literal["out_of_memory", "nan", "timeout", "bad_data", "error"]
"""Kinds of failure that a trial reports in `result.json`."""

FailureKind = Literal["out_of_memory", "nan", "timeout", "bad_data", "error", "killed"]
"""Kinds of failure that the driver records: those of a trial, and `killed` for a lost process."""

RETRIED: frozenset[FailureKind] = frozenset({"killed", "out_of_memory", "timeout", "error"})
"""Failures after which a trial is started again. `nan` and `bad_data` would occur again."""

EXIT_DONE = 0
"""Exit status of a trial whose result has the status `done`."""
EXIT_FAILED = 1
"""Exit status of a trial whose result has the status `failed`."""
EXIT_NO_RESULT = 2
"""Exit status of a trial that could not read its job or could not write its result."""
SIGNAL_BASE = 128
"""A guard exits with SIGNAL_BASE + n if signal n ended the trial, as a shell does."""

_SIGNALS = range(1, 65)


def killed_by(exit_status: int) -> int | None:
    """Return the number of the signal that ended a process, or None if the process exited.

    `exit_status` is negative as of `subprocess`, or SIGNAL_BASE + n as of a shell or a guard.
    """
    number = -exit_status if exit_status < 0 else exit_status - SIGNAL_BASE
    return number if number in _SIGNALS else None


def more_parts(clips: int, parts: int) -> int | None:
    """Return the next larger number of equal parts, at most half as large each, of some clips.

    None if a part has a single clip already.

    >>> more_parts(12, 2), more_parts(7, 1), more_parts(8, 8)
    (4, 7, None)
    """
    return next((n for n in range(2 * parts, clips + 1) if clips % n == 0), None)


# Files


@attrs.frozen
class TrialFolder:
    """The folder of one start of a candidate's training: `RUN/trials/g0012/1`."""

    path: Path = attrs.field(converter=Path)

    @property
    def candidate(self) -> Path:
        """Text of the candidate, as proposed. Written by the driver."""
        return self.path / "candidate.anet"

    @property
    def job(self) -> Path:
        """Job of the trial, JSON. Written by the driver."""
        return self.path / "job.json"

    @property
    def claim(self) -> Path:
        """File that the worker creates before it starts the trial: a folder has one trial."""
        return self.path / "claimed"

    @property
    def output(self) -> Path:
        """Output of the trial."""
        return self.path / "output.txt"

    @property
    def log(self) -> Path:
        """Losses and measures, JSON lines. Written by the trial while it runs."""
        return self.path / "log.jsonl"

    @property
    def trained(self) -> Path:
        """Text of the candidate with its learned edge weights and its score."""
        return self.path / "trained.anet"

    @property
    def weights(self) -> Path:
        """Weights of the trained network."""
        return self.path / "weights.safetensors"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints, if the trial writes any."""
        return self.path / "checkpoints"

    @property
    def result(self) -> Path:
        """Result of the trial, JSON. Written last."""
        return self.path / "result.json"


# The job

JOB_SCHEMA = "anetdsl-trial-job"
JOB_VERSION = 1

DEFAULT_BATCH = 32
"""Clips of a training step, where a job has no `batch`."""

Split = Literal["train", "validation", "test"]
Folds = Literal["one", "all"]


_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


def device_name(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Raise InvalidSetting for a text that names no device. This is an attrs validator."""
    if value is not None and not _DEVICE.fullmatch(value):
        given = json.dumps(value)
        message = f'`{attribute.name}` must be "auto", "cpu", "cuda" or "cuda:N", not {given}'
        raise InvalidSetting(attribute.name, message)


@attrs.frozen
class ParentWeights:
    """Weights of a parent, from which the training of a candidate starts."""

    weights: str
    """Path of the weights."""
    text: str
    """Path of the parent's text."""
    operations: tuple[Operation, ...] = attrs.field(
        default=(), metadata={"reader": operations_from_json}
    )
    """Operations of the search from the parent to the candidate; without them the candidate
    inherits by equal node names alone."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of `init_from`."""
        operations = operations_to_json(self.operations)
        return {"weights": self.weights, "text": self.text, "operations": operations}


@attrs.frozen(kw_only=True)
class TrialJob:
    """Job of a trial: how to train and evaluate a candidate.

    It is `job.json` of the trial's folder (docs/schemas/trial-job.schema.json).
    """

    data: str
    """Data as one text, such as `motion:level=2` or `arrays:FILE`."""
    split: Split = "validation"
    """Split by which the candidate is evaluated."""
    folds: Folds = "one"
    """Data with `folds`: `one` trains and evaluates on the fold that the seed chooses; `all` trains
    once for each fold, and the fitness is that of the validation clips of all folds."""
    settings: Mapping[str, Any] = {}
    """Settings of the training that differ from the defaults, by name."""
    recipe: Mapping[str, Any] = {}
    """`frames`, `size` and `flip` of the clips, where they differ from those of the data."""
    device: str | None = attrs.field(default=None, validator=device_name)
    """Device of the training, such as `cpu` or `cuda:1`; None is the device of the settings."""
    init_from: ParentWeights | None = None
    timeout: float | None = attrs.field(default=None, validator=above(0))
    """Seconds after which the trial fails."""
    checkpoints: str | None = None
    """Path of a folder where the training saves its state and from which it continues; None: the
    training starts from its first step."""
    evaluate: str | None = None
    """Path of a weights file. The trial evaluates it as `anetc eval` does, and trains nothing."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of `job.json`."""
        document: dict[str, Any] = {
            "schema": JOB_SCHEMA,
            "schema_version": JOB_VERSION,
            "data": self.data,
            "split": self.split,
            "settings": dict(self.settings),
        }
        if self.folds != "one":
            document["folds"] = self.folds
        if self.recipe:
            document["recipe"] = dict(self.recipe)
        if self.device is not None:
            document["device"] = self.device
        document["timeout"] = self.timeout
        document["init_from"] = None if self.init_from is None else self.init_from.to_json()
        for name, path in (("checkpoints", self.checkpoints), ("evaluate", self.evaluate)):
            if path is not None:
                document[name] = path
        return document

    @classmethod
    def from_json(cls, document: object, name: str) -> TrialJob:
        """Return the job of a JSON object. Raise CannotRun; its message starts with `name`."""
        return read_trial_job(named_values(document, name))

    @classmethod
    def from_values(cls, values: Mapping[str, Any], name: str) -> TrialJob:
        """Return the job of its values, as in the table [trial] of a run's settings.

        Raise CannotRun; its message starts with `name`.
        """
        return read_value(named_values(values, name), cls)


def read_trial_job(given: NamedValues) -> TrialJob:
    """Return the job of the values of `job.json`. Raise CannotRun with the place of a mistake."""
    if given.values.get("schema") != JOB_SCHEMA:
        raise given.error(f'`schema` must be "{JOB_SCHEMA}"', "schema")
    version = given.values.get("schema_version")
    if version != JOB_VERSION:
        message = f"`schema_version` is {version!r:.20}; this version of anetc reads {JOB_VERSION}"
        raise given.error(message, "schema_version")
    return read_value(given.without("schema", "schema_version"), TrialJob)


# The result

RESULT_SCHEMA = "anetdsl-trial-result"
RESULT_VERSION = 1

TrialStatus = Literal["done", "failed"]


@attrs.frozen(kw_only=True)
class TrialResult:
    """Result of a trial (`result.json`, docs/schemas/trial-result.schema.json).

    A result with the status `done` has a finite fitness; one with the status `failed` has a
    failure and a message. Other fields are None where they are unknown.
    """

    status: TrialStatus
    fitness: float | None = None
    """top1 + top5 in percent; the mAP where videos have several labels."""
    standard_error: float | None = None
    """Standard error of the fitness that the number of validation clips gives."""
    measures: Mapping[str, float | None] = {}
    """Measures of the evaluation by name; None for one that is not finite."""
    edges: Mapping[str, Any] = {}
    """sigmoid(w) of each node with several inputs, in the order of its inputs."""
    parameters: int | None = None
    multiply_adds: int | None = None
    """Multiply-adds of one clip."""
    trained_on: Mapping[str, Any] | None = None
    """Training data of the candidate: class names, clips, kind of labels, format."""
    inherited: tuple[str, ...] | None = None
    """Report of the inherited weights, by line; None if training started afresh."""
    device: Mapping[str, Any] | None = None
    """Device that trained the candidate: processor or GPU, precision and engine."""
    parts: int | None = None
    """Number of parts in which a step's clips were computed; it may exceed the job's `accumulate`
    where memory did not suffice."""
    failure: FailureKind | None = None
    message: str = ""
    seed: int | None = None
    versions: Mapping[str, str] = {}
    """Versions of the packages and of the platform that the numbers may depend on."""
    seconds: float | None = None
    """Duration of the trial."""
    peak_memory: int | None = None
    """Largest memory of the trial in bytes: of the GPU if it used one, else resident."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of `result.json`."""
        document: dict[str, Any] = {
            "schema": RESULT_SCHEMA,
            "schema_version": RESULT_VERSION,
            "status": self.status,
            "seed": self.seed,
            "versions": dict(self.versions),
        }
        if self.status == "done":
            document |= {
                "fitness": self.fitness,
                "standard_error": self.standard_error,
                "measures": dict(self.measures),
                "edges": dict(self.edges),
                "parameters": self.parameters,
                "multiply_adds": self.multiply_adds,
                "trained_on": None if self.trained_on is None else dict(self.trained_on),
                "inherited": None if self.inherited is None else list(self.inherited),
                "device": None if self.device is None else dict(self.device),
                "parts": self.parts,
            }
        else:
            document |= {"failure": self.failure, "message": self.message}
        return document | {"seconds": self.seconds, "peak_memory": self.peak_memory}

    @classmethod
    def from_json(cls, document: object) -> TrialResult:
        """Return the result of a JSON object.

        Optional values of a wrong type become None. Raise ValueError if the document is not an
        object, or has the status `done` without a finite fitness.
        """
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
        found = _common_fields(document)
        if document.get("status") == "failed":
            kind, message = document.get("failure", "error"), str(document.get("message", ""))
            if kind not in get_args(FailureKind):
                kind, message = "error", f"{kind}: {message}"
            return cls(status="failed", failure=kind, message=message, **found)
        fitness = finite_number(document.get("fitness"))
        if fitness is None:
            raise ValueError("it has no finite fitness")
        inherited = document.get("inherited")
        return cls(
            status="done",
            fitness=fitness,
            standard_error=_error(document.get("standard_error")),
            measures={
                name: finite_number(value) for name, value in _mapping(document, "measures").items()
            },
            edges=_mapping(document, "edges"),
            parameters=_int(document.get("parameters")),
            multiply_adds=_int(document.get("multiply_adds")),
            trained_on=_mapping(document, "trained_on") or None,
            inherited=tuple(map(str, inherited)) if isinstance(inherited, list) else None,
            device=_mapping(document, "device") or None,
            parts=_int(document.get("parts")),
            **found,
        )


def _common_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seed": _int(document.get("seed")),
        "versions": {
            name: str(version) for name, version in _mapping(document, "versions").items()
        },
        "seconds": finite_number(document.get("seconds")),
        "peak_memory": _int(document.get("peak_memory")),
    }


def _mapping(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _error(value: object) -> float | None:
    """Return a standard error; None if it is negative or not finite."""
    number = finite_number(value)
    return number if number is not None and number >= 0 else None


def _int(value: object) -> int | None:
    """Return a number as an integer that fits SQLite; None for any other value."""
    number = finite_number(value)
    return int(number) if number is not None and abs(number) < 2**62 else None
