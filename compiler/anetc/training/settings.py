"""Training settings: the values of semantics 10, and how a run computes."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from anetc.devices import Precision
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun
from anetdsl.evolve.operations import Operation
from anetdsl.terminal import visible

LEARNING_RATE_PER_CLIP = 0.00625
"""Peak learning rate per clip of the batch (paper, appendix)."""

Device = Literal["auto", "cpu"]


_at_least = attrs.validators.ge
_fraction: Any = [attrs.validators.ge(0), attrs.validators.le(1)]
_not_negative: Any = [attrs.validators.ge(0), attrs.validators.lt(math.inf)]


@attrs.frozen(kw_only=True)
class TrainSettings:
    """Settings of a training run. The defaults are the paper's."""

    iterations: int = attrs.field(default=50_000, validator=_at_least(1))
    """Number of steps of the optimiser."""
    batch: int = attrs.field(default=32, validator=_at_least(1))
    """Number of clips of a step, over all processes and parts."""
    accumulate: int = attrs.field(default=1, validator=_at_least(1))
    """Number of parts in which a process computes its clips, to need less memory."""
    learning_rate: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_not_negative)
    )
    """Peak learning rate; None is 0.00625 times the batch."""
    edge_rate: float = attrs.field(default=1.0, validator=_not_negative)
    """Learning rate of edge weights, as a multiple of the learning rate of all other parameters.

    With the factor 1, runs much shorter than the paper's 10,000 iterations hardly move the edge
    weights from 0.5, so these guide no search.
    """
    warmup: float = attrs.field(default=0.24, validator=_fraction)
    """Fraction of the run in which the learning rate rises."""
    momentum: float = attrs.field(default=0.9, validator=_fraction)
    weight_decay: float = attrs.field(default=1e-4, validator=_not_negative)
    """Weight decay of the kernels of convolutions and of the classifier."""
    label_smoothing: float = attrs.field(default=0.2, validator=_fraction)
    """Label smoothing of single labels; several labels a video are not smoothed."""
    precision: Precision = "float32"
    seed: int = 0
    """Seed of the initial weights, of the order of the clips and of their random cuts."""
    save_every: int = attrs.field(default=500, validator=_at_least(1))
    """Number of steps between two checkpoints."""
    evaluate_every: int = attrs.field(default=0, validator=_at_least(0))
    """Number of steps between two validations; 0 validates at the end only."""
    workers: int = attrs.field(default=0, validator=_at_least(0))
    """Number of processes that load clips; with 0 the training process loads them."""
    threads: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(_at_least(1))
    )
    """Number of threads that compute; None leaves the choice to PyTorch."""
    device: Device = "auto"
    """`auto` is the accelerator if there is one, else the CPU."""
    plain: bool = False
    """Train the reference module, not the engine with handwritten gradients."""
    recompute: bool = False
    """Keep less for the backward pass and recompute it: less memory, more time."""

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at the end of the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return LEARNING_RATE_PER_CLIP * self.batch


@attrs.frozen
class Parent:
    """Trained weights to start from."""

    weights: Path
    text: Path | None = None
    """Text that the weights belong to; None is the text beside them, or the network's own text."""
    operations: tuple[Operation, ...] = ()
    """Operations of the search from the parent to the network. Without them the network inherits
    by equal node names alone."""


CHANGEABLE = frozenset({"save_every", "workers", "threads", "device", "plain", "recompute"})
"""Settings that may change when a run is resumed: they do not change what is computed."""


def settings_defaults() -> dict[str, Any]:
    """Return the default of each setting by name."""
    return {field.name: field.default for field in attrs.fields(TrainSettings)}


def settings_to_json(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings that differ from the defaults."""
    defaults = settings_defaults().items()
    return {k: getattr(settings, k) for k, default in defaults if getattr(settings, k) != default}


def settings_from_json(document: object, name: str) -> TrainSettings:
    """Settings of a JSON object; `name` is what messages call it. Raises CannotRun."""
    if not isinstance(document, Mapping):
        raise CannotRun(f"{name}: must be an object of settings by name")
    kinds = typing.get_type_hints(TrainSettings)
    for key, value in document.items():
        if key not in kinds:
            guess = did_you_mean(str(key), kinds)
            hint = f"; did you mean `{guess}`?" if guess else ""
            raise CannotRun(f"{name}: there is no setting `{visible(str(key))}`{hint}")
        if not _fits(value, kinds[key]):
            raise CannotRun(f"{name}: {key} cannot be {visible(repr(value)[:40])}")
    try:
        return TrainSettings(**document)
    except ValueError as error:
        raise CannotRun(f"{name}: {error}") from None


def _fits(value: object, kind: Any) -> bool:
    """Whether a JSON value is of a field's type. A whole number may stand for a real one."""
    if isinstance(kind, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(kind))
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
