"""A run through a node's operations: values, gradients, and what a step is.

A step says what it `keeps` for the way back: results by their names, and what it notes beside them
(`n4.m0.conv2/mean`). On the way back it takes the gradient of its result and adds to those of what
it read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import attrs
from torch import Tensor, nn

from anetc.engines.training import norms
from anetc.plan.plan import Op

NOTES = ("mean", "variance", "places", "active")
"""What a step may note: see `Activation` and `Pool`."""


@attrs.define
class Tape:
    """A run through the steps of a node. `values` are results by name, and notes by STEP/NOTE."""

    frames: int
    parameters: Mapping[str, Tensor]
    norms: Mapping[str, nn.BatchNorm3d]
    batch: Mapping[str, bool]
    """Whether each normalisation uses the batch's statistics, as it was on the way forward."""
    values: dict[str, Tensor]
    again: Mapping[str, TapeStep]
    """The steps whose results are not kept."""
    update: bool = False
    """Whether running averages move: not when a node is computed again."""
    shared: bool = False
    """Whether a batch's statistics are those of all processes together."""

    def read(self, name: str) -> Tensor:
        """A result, made again if it was not kept."""
        if name not in self.values:
            self.values[name] = self.again[name].result(self)
        return self.values[name]

    def forget(self, step: str, keep: Collection[str]) -> None:
        """Drop a step's notes but those to `keep`."""
        for note in NOTES:
            if f"{step}/{note}" not in keep:
                self.values.pop(f"{step}/{note}", None)


@attrs.define
class Gradients:
    """Gradients by name of a result or a stored tensor.

    Those that the caller owns (`borrowed`) are never written to.
    """

    wanted: frozenset[str]
    values: dict[str, Tensor] = attrs.Factory(dict)
    borrowed: set[str] = attrs.Factory(set)

    def add(self, name: str, value: Tensor, *, borrowed: bool = False) -> None:
        """Add to a gradient; a first `value` becomes it, and with it its memory."""
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
        """A gradient that can be added to in place, if there is one by now."""
        return None if name in self.borrowed else self.values.get(name)


class TapeStep(Protocol):
    """One operation of a plan."""

    @property
    def op(self) -> Op:
        """The operation."""

    @property
    def stored(self) -> tuple[str, ...]:
        """The stored tensors that it uses."""

    @property
    def keeps(self) -> tuple[str, ...]:
        """The values that the way back reads."""

    def measure(self, tape: Tape) -> None:
        """Note the statistics that the result is made with."""

    def result(self, tape: Tape) -> Tensor:
        """The result, by the noted statistics."""

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients. `grad` is the step's to write to if it is `owned`."""


@attrs.frozen
class Activation:
    """A batch normalisation `norm` of `x` within the operation `owner`."""

    owner: str
    x: str
    norm: str

    @property
    def stored(self) -> tuple[str, ...]:
        """Its weight and bias."""
        return (f"{self.norm}.weight", f"{self.norm}.bias")

    @property
    def keeps(self) -> tuple[str, ...]:
        """Its input and that one's statistics."""
        return (self.x, f"{self.owner}/mean", f"{self.owner}/variance")

    def measure(self, tape: Tape) -> None:
        """Note the statistics."""
        norm = tape.norms[self.norm]
        batch = tape.batch[self.norm]
        known = norms.statistics(
            tape.read(self.x),
            norm,
            batch=batch,
            update=tape.update,
            shared=batch and tape.shared,
        )
        tape.values[f"{self.owner}/mean"] = known.mean
        tape.values[f"{self.owner}/variance"] = known.variance

    def result(self, tape: Tape) -> Tensor:
        """The normalised tensor, new, by the noted statistics."""
        weight, bias = (tape.parameters[name] for name in self.stored)
        x, epsilon = tape.read(self.x), tape.norms[self.norm].eps
        return norms.normalise(x, weight, bias, self._known(tape), epsilon)

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of input, weight and bias. `grad` is written to if `owned`."""
        x, weight = tape.read(self.x), tape.parameters[self.stored[0]]
        epsilon = tape.norms[self.norm].eps
        known = self._known(tape)
        results = norms.normalise_backward(grad, x, weight, known, epsilon, owned=owned)
        for name, result in zip((self.x, *self.stored), results):
            grads.add(name, result)

    def active(self, tape: Tape) -> Tensor:
        """The normalised tensor cut off at zero, noted for whoever needs it next."""
        note = f"{self.owner}/active"
        if note not in tape.values:
            tape.values[note] = self.result(tape).relu_()
        return tape.values[note]

    def _known(self, tape: Tape) -> norms.Statistics:
        mean, variance = (tape.values[name] for name in self.keeps[1:])
        batch = tape.batch[self.norm]
        return norms.Statistics(mean, variance, batch, batch and tape.shared)
