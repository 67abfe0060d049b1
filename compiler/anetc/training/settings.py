"""Training settings: the values of semantics 10, and how a run computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import attrs

from anetc.devices import EngineChoice, PrecisionChoice
from anetdsl.evolve.contract import device_name
from anetdsl.evolve.operations import Operation
from anetdsl.settings_reader import InvalidSetting, at_least, between

LEARNING_RATE_PER_CLIP = 0.00625
"""Peak learning rate per clip of the batch (paper, appendix)."""

EdgeOptimiser = Literal["sgd", "normalised", "adam"]
"""Rule by which edge weights learn: as all other parameters; with gradients of a root mean square
of 1 in each node; or Adam."""


@attrs.frozen(kw_only=True)
class TrainSettings:
    """Settings of a training run. The defaults are the paper's."""

    iterations: int = attrs.field(default=50_000, validator=at_least(1))
    """Number of steps of the optimiser."""
    batch: int = attrs.field(default=32, validator=at_least(1))
    """Number of clips of a step, over all processes and parts."""
    accumulate: int = attrs.field(default=1, validator=at_least(1))
    """Number of parts in which a process computes its clips, to need less memory."""
    learning_rate: float | None = attrs.field(default=None, validator=at_least(0))
    """Peak learning rate; None is 0.00625 times the batch."""
    edge_rate: float = attrs.field(default=1.0, validator=at_least(0))
    """Learning rate of edge weights, as a multiple of the learning rate of all other parameters.

    With the factor 1, runs much shorter than the paper's 10,000 iterations hardly move the edge
    weights from 0.5, so these guide no search.
    """
    edge_optimiser: EdgeOptimiser = "sgd"
    """Rule by which edge weights learn. With `normalised` and `adam` a step of an edge weight does
    not depend on the size of its gradient, so `edge_rate` must be far below 1."""
    warmup: float = attrs.field(default=0.24, validator=between(0, 1))
    """Fraction of the run in which the learning rate rises."""
    momentum: float = attrs.field(default=0.9, validator=between(0, 1))
    weight_decay: float = attrs.field(default=1e-4, validator=at_least(0))
    """Weight decay of the kernels of convolutions and of the classifier."""
    label_smoothing: float = attrs.field(default=0.2, validator=between(0, 1))
    """Label smoothing of single labels; several labels a video are not smoothed."""
    precision: PrecisionChoice = "auto"
    """`auto` is bfloat16 on a GPU with tensor cores for it, else float32; a run records which."""
    seed: int = 0
    """Seed of the initial weights, of the order of the clips and of their random cuts."""
    save_every: int = attrs.field(default=500, validator=at_least(1))
    """Number of steps between two checkpoints."""
    evaluate_every: int = attrs.field(default=0, validator=at_least(0))
    """Number of steps between two validations; 0 validates at the end only."""
    patience: int | None = attrs.field(default=None, validator=at_least(1))
    """Number of validations without a gain after which a run ends; None trains all steps."""
    workers: int = attrs.field(default=0, validator=at_least(0))
    """Number of processes that load clips; with 0 the training process loads them."""
    threads: int | None = attrs.field(default=None, validator=at_least(1))
    """Number of threads that compute; None leaves the choice to PyTorch."""
    device: str = attrs.field(default="auto", validator=device_name)
    """`auto`, `cpu`, `cuda` or `cuda:N`; `auto` is a GPU if PyTorch can use one, else the CPU."""
    engine: EngineChoice = "fast"
    """Engine that computes the gradients: the fast one of the device, or the reference module."""
    deterministic: bool = False
    """Use only operations that give the same numbers every time, which a GPU does not by itself."""
    recompute: bool = False
    """Keep less for the backward pass and recompute it: less memory, more time."""

    def __attrs_post_init__(self) -> None:
        if self.patience is not None and not self.evaluate_every:
            message = "`patience` counts validations: set `evaluate_every` (--evaluate-every), too"
            raise InvalidSetting("patience", message)

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
    new_head: bool = False
    """The parent may have other classes. Only classes of the same name inherit the classifier."""


CHANGEABLE = frozenset(
    {
        *("save_every", "workers", "threads", "device", "engine", "deterministic", "recompute"),
        "plain",  # an earlier name of the engine `reference`
    }
)
"""Settings that may change when a run is resumed: they do not change what is computed."""
EXTENDING = frozenset({"iterations", "patience"})
"""Settings that may change when a run is resumed, so that it goes on longer."""


def settings_defaults() -> dict[str, Any]:
    """Return the default of each setting by name, as a run records it.

    A run records the precision that `auto` is on its device, and nothing for float32.
    """
    defaults = {field.name: field.default for field in attrs.fields(TrainSettings)}
    return {**defaults, "precision": "float32"}


def settings_to_json(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings that differ from the defaults."""
    defaults = settings_defaults().items()
    return {k: getattr(settings, k) for k, default in defaults if getattr(settings, k) != default}
