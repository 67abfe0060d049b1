"""Write the program of a node for the native kernels.

A program is a list of instructions over buffers (`compiler/anetc/native/source/program.cpp`). The
writers follow the steps in `steps`: the same operations in the same order, on tensors (B, H, W, C).
Buffers for intermediate results share one block of memory; `Layout` gives each its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import attrs
import numpy as np

Place = Literal["given", "result", "saved", "scratch"]
OPERATIONS = (
    "convolve",
    "input_gradient",
    "weight_gradient",
    "statistics",
    "normalise",
    "normalise_backward",
    "gated",
    "gated_backward",
    "pool",
    "pool_backward",
    "add",
    "zero",
)
"""Operations of the kernels; the number of an operation is its index."""
_BUFFERS = 12
_ARGUMENTS = 14
INSTRUCTION_SIZE = 1 + _BUFFERS + _ARGUMENTS
_ALIGNMENT = 64


class UnsupportedByKernels(Exception):
    """A node has a property that the native kernels do not support."""


@attrs.define
class Buffer:
    """A tensor of a program."""

    place: Place
    """The owner of its memory: the caller (given, result), the saved block or the scratch block."""
    name: str
    size: int
    """Number of elements, or of bytes if `indices`."""
    indices: bool = False
    first: int = -1
    """First instruction that uses the buffer."""
    last: int = -1


@attrs.frozen
class Program:
    """A program, and the places of its buffers for one type of numbers."""

    instructions: np.ndarray
    given: tuple[str, ...]
    """Names of the tensors that the caller passes, in the order of their buffers."""
    results: tuple[str, ...]
    """Names of the tensors that the caller allocates, in the order of their buffers."""
    offsets: np.ndarray
    """Offset in bytes of each buffer in its block; 0 for given tensors and results."""
    blocks: np.ndarray
    """Block of each buffer: 0 saved, 1 scratch; -1 for given tensors and results."""
    saved_bytes: int
    scratch_bytes: int
    saved: tuple[tuple[str, int, bool], ...]
    """Name, size and `indices` of each buffer in the saved block, in order."""
    external: np.ndarray
    """Buffers of given tensors, then those of results."""


@attrs.define
class Writer:
    """A program that is being written."""

    buffers: list[Buffer] = attrs.Factory(list)
    instructions: list[list[int]] = attrs.Factory(list)

    def buffer(self, place: Place, name: str, size: int, *, indices: bool = False) -> int:
        """Add a buffer and return its number."""
        self.buffers.append(Buffer(place, name, size, indices))
        return len(self.buffers) - 1

    def scratch(self, size: int) -> int:
        """Add a buffer for an intermediate result and return its number."""
        return self.buffer("scratch", "", size)

    def write(
        self, operation: str, buffers: Sequence[int | None], arguments: Sequence[int]
    ) -> None:
        """Add an instruction."""
        number = len(self.instructions)
        used = [-1 if buffer is None else buffer for buffer in buffers]
        for index in used:
            if index >= 0:
                buffer = self.buffers[index]
                buffer.first = number if buffer.first < 0 else buffer.first
                buffer.last = number
        row = [
            OPERATIONS.index(operation),
            *used,
            *[-1] * (_BUFFERS - len(used)),
            *map(int, arguments),
            *[0] * (_ARGUMENTS - len(arguments)),
        ]
        assert len(row) == INSTRUCTION_SIZE
        self.instructions.append(row)

    def program(self, itemsize: int) -> Program:
        """Return the program for numbers of `itemsize` bytes."""
        sizes = [
            buffer.size * (1 if buffer.indices else itemsize) + 63 & -_ALIGNMENT
            for buffer in self.buffers
        ]
        offsets = np.zeros(len(self.buffers), np.int64)
        blocks = np.full(len(self.buffers), -1, np.int64)
        saved_bytes = 0
        for number, buffer in enumerate(self.buffers):
            if buffer.place == "saved":
                blocks[number], offsets[number] = 0, saved_bytes
                saved_bytes += sizes[number]
        scratch = [n for n, buffer in enumerate(self.buffers) if buffer.place == "scratch"]
        scratch = [n for n in scratch if self.buffers[n].first >= 0]
        blocks[scratch] = 1
        scratch_bytes = _place(self.buffers, scratch, sizes, offsets)
        external: dict[Place, list[int]] = {
            place: [n for n, buffer in enumerate(self.buffers) if buffer.place == place]
            for place in ("given", "result")
        }
        return Program(
            np.array(self.instructions, np.int64).reshape(-1, INSTRUCTION_SIZE),
            tuple(self.buffers[n].name for n in external["given"]),
            tuple(self.buffers[n].name for n in external["result"]),
            offsets,
            blocks,
            saved_bytes,
            scratch_bytes,
            tuple((b.name, b.size, b.indices) for b in self.buffers if b.place == "saved"),
            np.array(external["given"] + external["result"], np.int64),
        )


def _place(
    buffers: Sequence[Buffer], numbers: Sequence[int], sizes: Sequence[int], offsets: np.ndarray
) -> int:
    """Give each buffer an offset that no buffer in use at the same time has; return the size.

    The largest buffer is placed first, each at the lowest free offset.
    """
    placed: list[int] = []
    total = 0
    for number in sorted(numbers, key=lambda n: -sizes[n]):
        own = buffers[number]
        busy = sorted(
            (int(offsets[other]), int(offsets[other]) + sizes[other])
            for other in placed
            if buffers[other].first <= own.last and own.first <= buffers[other].last
        )
        offset = 0
        for start, end in busy:
            if offset + sizes[number] <= start:
                break
            offset = max(offset, end)
        offsets[number] = offset
        total = max(total, offset + sizes[number])
        placed.append(number)
    return total
