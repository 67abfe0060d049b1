"""Print the table of docs/gpu.md: clips of the paper's network that fit a GPU, computed.

    python benchmarks/gpu_memory.py

The memory of a training step is estimated from `anetc stats`: each output of a convolution is kept
twice (before and after its normalisation), in the precision of the computation; weights, gradients
and momentum are float32; a tenth of the GPU stays free. Nothing is measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "compiler")]

import anetdsl  # noqa: E402
from anetdsl.cost import cost  # noqa: E402

CLIPS = ((16, 112), (32, 224), (64, 256))
"""Frames and pixels: of a folder of videos, of the paper's stats, and of Charades."""
GIGABYTES = (16, 40, 80)
_COPIES = 2
_STATES = 3
_FREE = 0.1


def clips_that_fit(gigabytes: int, frames: int, side: int, number_bytes: int) -> int:
    """Return the largest power of two of clips whose training step fits a GPU; 0 for none."""
    network = anetdsl.load(str(ROOT / "examples" / "assemblenet.anet"))
    found = cost(network, frames=frames, size=(side, side))
    clip = _COPIES * found.activation_bytes * number_bytes // 4
    left = (1 - _FREE) * gigabytes * 1e9 - _STATES * 4 * found.parameters
    count = int(left // clip)
    return 1 << (count.bit_length() - 1) if count > 0 else 0


def table() -> str:
    """Return the table in Markdown."""
    head = "| Clips | Precision | " + " | ".join(f"{size} GB" for size in GIGABYTES) + " |"
    lines = [head, "| --- | --- |" + " --- |" * len(GIGABYTES)]
    for frames, side in CLIPS:
        for precision, number_bytes in (("bfloat16", 2), ("float32", 4)):
            counts = (clips_that_fit(size, frames, side, number_bytes) for size in GIGABYTES)
            cells = " | ".join(str(count) if count else "none" for count in counts)
            lines.append(f"| {frames} x {side} x {side} | {precision} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
