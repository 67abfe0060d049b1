"""The cost of the paper's search, final training and fine-tuning, from the counts of a network."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from anetdsl.cost import cost
from anetdsl.ir import Network
from anetdsl.result_tables import markdown_table

PASSES = 3
"""Multiply-adds of a training step, as a multiple of those of a forward pass: the gradients of
inputs and of weights cost one forward pass each."""
_FLOP = 2
"""Floating-point operations of a multiply-add."""


@attrs.frozen
class Phase:
    """A phase of the paper's work."""

    name: str
    trainings: int
    iterations: int
    batch: int
    frames: int
    size: tuple[int, int] = (224, 224)

    def operations(self, network: Network) -> float:
        """Return the floating-point operations of the phase for a network of this cost."""
        clip = cost(network, frames=self.frames, size=self.size).multiply_adds
        return float(self.trainings * self.iterations * self.batch * clip * PASSES * _FLOP)


PHASES = (
    Phase("search, 200 candidates (4.1)", 200, 10_000, 512, 32),
    Phase("final training on Moments in Time (4.1)", 1, 50_000, 512, 32),
    Phase("fine-tuning on Charades (A.5)", 1, 50_000, 128, 128),
)
"""Batches, clips and iterations of the paper (4.1, A.5)."""


def cost_table(network: Network, tflops: float) -> str:
    """Return the phases as Markdown: iterations, clips, operations, and hours of a GPU.

    `tflops` is the speed that training sustains on the GPU, in 10^12 operations a second.
    """
    header = (
        *("phase", "trainings", "iterations", "batch", "clip", "clips in all"),
        *("operations", f"GPU-hours at {tflops:g} TFLOP/s"),
    )
    return markdown_table(header, _lines(network, tflops))


def _lines(network: Network, tflops: float) -> Iterator[list[str]]:
    for phase in PHASES:
        operations = phase.operations(network)
        yield [
            phase.name,
            f"{phase.trainings:,}",
            f"{phase.iterations:,}",
            str(phase.batch),
            "{} x {} x {}".format(phase.frames, *phase.size),
            f"{phase.trainings * phase.iterations * phase.batch:,}",
            f"{operations:.3g}",
            f"{operations / (tflops * 1e12) / 3600:,.0f}",
        ]
