"""The state of a node's forward and backward pass, and the interface of its steps.

A step runs one operation. It lists in `keeps` the values that its backward pass needs: results by
name, and auxiliary values by STEP/KIND, such as `n4.m0.conv2/mean`. Its backward pass gets the
gradient of the result and adds to the gradients of its arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import attrs
from torch import Tensor, nn

from anetc.engines.training import norms
from anetc.plan.plan import Op

AUXILIARY = ("mean", "variance", "indices", "activated")
"""Kinds of auxiliary values, from `Normalisation` and `PoolStep`."""


@attrs.define
class Tape:
    """One forward or backward pass through the steps of a node."""

    frames: int
    parameters: Mapping[str, Tensor]
    """Stored tensors by name."""
    norms: Mapping[str, nn.BatchNorm3d]
    batch: Mapping[str, bool]
    """True, by name, for normalisations that used the batch's statistics in the forward pass."""
    values: dict[str, Tensor]
    """Results by name, and auxiliary values by STEP/KIND."""
    recomputed: Mapping[str, TapeStep]
    """Steps whose results are not saved."""
    update: bool = False
    """True if running averages are updated: in the first forward pass, not in a recomputation."""
    shared: bool = False
    """True if the statistics are those of all processes' clips."""

    def read(self, name: str) -> Tensor:
        """Return a result; recompute it if it was not saved."""
        if name not in self.values:
            self.values[name] = self.recomputed[name].result(self)
        return self.values[name]

    def drop_auxiliary(self, step: str, keep: Collection[str]) -> None:
        """Delete the auxiliary values of a step, except those in `keep`."""
        for kind in AUXILIARY:
            if f"{step}/{kind}" not in keep:
                self.values.pop(f"{step}/{kind}", None)


@attrs.define
class Gradients:
    """Gradients of results and stored tensors, by name."""

    wanted: frozenset[str]
    """Names of the tensors that need a gradient."""
    values: dict[str, Tensor] = attrs.Factory(dict)
    borrowed: set[str] = attrs.Factory(set)
    """Names of the gradients whose memory must not be written to, because others use it."""

    def add(self, name: str, value: Tensor, *, borrowed: bool = False) -> None:
        """Add `value` to a gradient. If it is the first, its memory is used for the gradient."""
        if name not in self.wanted:
            return
        total = self.values.get(name)
        if total is None:
            self.values[name] = value
            if borrowed:
                self.borrowed.add(name)
        elif name in self.borrowed:
            self.values[name] = total + value
            self.borrowed.remove(name)
        else:
            total.add_(value)

    def own(self, name: str) -> Tensor | None:
        """Return a gradient that may be changed in place, or None if there is none."""
        return None if name in self.borrowed else self.values.get(name)


class TapeStep(Protocol):
    """The forward and backward pass of one operation of a plan."""

    @property
    def op(self) -> Op:
        """Operation that the step runs."""

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the stored tensors that the step uses."""

    @property
    def keeps(self) -> tuple[str, ...]:
        """Names of the values that the backward pass reads."""

    def measure(self, tape: Tape) -> None:
        """Compute and save the statistics of the step's normalisation."""

    def result(self, tape: Tape) -> Tensor:
        """Return the result, computed with the saved statistics."""

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients. If `owned`, the step may write to `grad`."""


@attrs.frozen
class Normalisation:
    """A batch normalisation `norm` of `x` within the operation `owner`."""

    owner: str
    x: str
    norm: str

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of its weight and bias."""
        return (f"{self.norm}.weight", f"{self.norm}.bias")

    @property
    def keeps(self) -> tuple[str, ...]:
        """Names of its input and its statistics."""
        return (self.x, f"{self.owner}/mean", f"{self.owner}/variance")

    def measure(self, tape: Tape) -> None:
        """Compute and save the statistics."""
        norm = tape.norms[self.norm]
        batch = tape.batch[self.norm]
        stats = norms.statistics(
            tape.read(self.x),
            norm,
            batch=batch,
            update=tape.update,
            shared=batch and tape.shared,
        )
        tape.values[f"{self.owner}/mean"] = stats.mean
        tape.values[f"{self.owner}/variance"] = stats.variance

    def result(self, tape: Tape) -> Tensor:
        """Return the normalised tensor as a new tensor, computed with the saved statistics."""
        weight, bias = (tape.parameters[name] for name in self.stored)
        x, epsilon = tape.read(self.x), tape.norms[self.norm].eps
        return norms.normalise(x, weight, bias, self._statistics(tape), epsilon)

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of input, weight and bias. If `owned`, `grad` is overwritten."""
        x, weight = tape.read(self.x), tape.parameters[self.stored[0]]
        epsilon = tape.norms[self.norm].eps
        stats = self._statistics(tape)
        results = norms.normalise_backward(grad, x, weight, stats, epsilon, owned=owned)
        for name, result in zip((self.x, *self.stored), results):
            grads.add(name, result)

    def activated(self, tape: Tape) -> Tensor:
        """Return the normalised tensor after a ReLU, and save it for the next call."""
        name = f"{self.owner}/activated"
        if name not in tape.values:
            tape.values[name] = self.result(tape).relu_()
        return tape.values[name]

    def _statistics(self, tape: Tape) -> norms.Statistics:
        mean, variance = (tape.values[name] for name in self.keeps[1:])
        batch = tape.batch[self.norm]
        return norms.Statistics(mean, variance, batch, batch and tape.shared)
