"""The state while the program of a node is written: buffers, sizes and gradients by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from anetc.engines.training.native_program import UnsupportedByKernels, Writer
from anetc.engines.training.nodes import NodeSteps
from anetc.engines.training.tape import Normalisation, TapeStep


@attrs.frozen
class Size:
    """Size (B, H, W, C) of a result, with the number of clips."""

    clips: int
    channels: int
    frames: int
    height: int
    width: int

    @property
    def rows(self) -> int:
        """Number of cells."""
        return self.clips * self.frames * self.height * self.width

    @property
    def numbers(self) -> int:
        """Number of elements."""
        return self.rows * self.channels


@attrs.define
class NodeWriter:
    """The state while a node's program is written: buffers by name, as in `tape.Tape`."""

    node: NodeSteps
    sizes: Mapping[str, Size]
    """Sizes of the results of the node and of its inputs."""
    stored_sizes: Mapping[str, int]
    """Numbers of elements of the stored tensors."""
    recompute: Callable[[NodeWriter, TapeStep], None]
    """Function that writes the result of a step."""
    writer: Writer = attrs.Factory(Writer)
    values: dict[str, int] = attrs.Factory(dict)
    keep: bool = False
    """True if kept values and the outputs get their own places."""
    update: bool = False
    grads: dict[str, int] = attrs.Factory(dict)
    borrowed: set[str] = attrs.Factory(set)
    wanted: frozenset[str] = frozenset()

    def given(self, name: str, size: int, *, indices: bool = False) -> int:
        """Return the buffer of a tensor that the caller passes."""
        if name not in self.values:
            self.values[name] = self.writer.buffer("given", name, size, indices=indices)
        return self.values[name]

    def stored(self, name: str) -> int:
        """Return the buffer of a stored tensor."""
        return self.given(name, self.stored_sizes[name])

    def made(self, name: str, size: int, *, indices: bool = False) -> int:
        """Return a new buffer for a result, or for an auxiliary value, of a forward step."""
        place = "scratch"
        if self.update and name in self.node.outputs:
            place = "result"
        elif self.update and self.keep and name in self.node.kept:
            place = "saved"
        self.values[name] = self.writer.buffer(place, name, size, indices=indices)  # type: ignore[arg-type]
        return self.values[name]

    def read(self, name: str) -> int:
        """Return the buffer of a result; write its recomputation if it was not saved."""
        if name not in self.values:
            self.recompute(self, self.node.recomputed[name])
        return self.values[name]

    # Gradients, as in `tape.Gradients`.

    def new_grad(self, name: str) -> int:
        """Return a buffer for a gradient."""
        size = self.sizes[name].numbers
        if name in self.node.inputs:
            return self.writer.buffer("result", f"grad/{name}", size)
        return self.writer.scratch(size)

    def target(self, name: str) -> tuple[int, bool]:
        """Return the buffer for a term of a gradient, and whether the term is to be added to it.

        If it is not added, call `add_grad` with the buffer afterwards.
        """
        total = self.grads.get(name)
        if total is None:
            return self.new_grad(name), False
        if name in self.borrowed:
            return self.writer.scratch(self.sizes[name].numbers), False
        return total, True

    def add_grad(self, name: str, buffer: int, *, borrowed: bool = False) -> None:
        """Add a buffer to a gradient. If it is the first, the buffer is used for the gradient."""
        if name not in self.wanted:
            return
        total = self.grads.get(name)
        if total is None:
            self.grads[name] = buffer
            if borrowed:
                self.borrowed.add(name)
            return
        to = total
        if name in self.borrowed:
            to = self.new_grad(name)
            self.borrowed.remove(name)
        self.writer.write("add", (total, buffer, to), (self.sizes[name].numbers,))
        self.grads[name] = to

    def stored_grad(self, name: str) -> int:
        """Return the buffer for the gradient of a stored tensor, which only one step has."""
        key = f"grad/{name}"
        if key in self.values:
            raise UnsupportedByKernels(f"two steps read {name}")
        self.values[key] = self.writer.buffer("result", key, self.stored_sizes[name])
        return self.values[key]

    def norm_number(self, norm: Normalisation) -> int:
        """Return the index of a normalisation in the node."""
        return self.node.norms.index(norm.norm)
