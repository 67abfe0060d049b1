"""The speed of a run: RUN/speed.jsonl, apart from metrics.jsonl, whose lines depend on no time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anetdsl.cost import cost
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.devices import Device
    from anetc.video.clips import Recipe
    from anetdsl.ir import Network

SPEED = "speed.jsonl"

_PEAKS = {
    "H200": {"bfloat16": 989.4, "float32": 494.7},
    "H100 PCIe": {"bfloat16": 756.0, "float32": 378.0},
    "H100 NVL": {"bfloat16": 835.0, "float32": 417.5},
    "H100": {"bfloat16": 989.4, "float32": 494.7},
    "A100": {"bfloat16": 312.0, "float32": 156.0},
    "L40S": {"bfloat16": 362.0, "float32": 183.0},
    "RTX 4090": {"bfloat16": 165.2, "float32": 82.6},
}
"""Peak speeds in Tflop/s from the makers' data sheets: dense products, TF32 for float32."""
_SLOWER = (" MIG ", "Laptop", "4090 D")
"""Words in the names of GPUs that are slower than the one of the same name: a part of a GPU, and
variants whose peak is unknown."""
_FLOPS_PER_MULTIPLY_ADD = 2
_PASSES = 3
"""Work of a training step as a multiple of the forward pass: the backward pass is two of it."""


@attrs.frozen
class Speed:
    """Speed of some steps of a run."""

    clips_per_second: float
    """Clips of all processes."""
    waiting: float
    """Fraction of the time that the steps waited for clips, 0 to 1."""
    mfu: float | None
    """Model FLOP utilisation: the fraction of the GPUs' peak speed that the network's multiply-adds
    take; None where the peak is unknown."""


@attrs.frozen
class SpeedMeter:
    """Computes the speed of steps from their time, without waiting for the device."""

    clips: int
    """Clips of a step in all processes."""
    flops: float
    """Floating-point operations of a clip in a training step."""
    peak: float | None
    """Peak speed of all devices together in flop/s; None if it is unknown."""
    path: Path | None = None
    """File to add lines to."""

    def measure(self, done: int, steps: int, seconds: float, waited: float) -> Speed:
        """Return the speed of the last `steps` of `done` steps, and add a line to the file.

        Raises CannotRun where the file cannot be written.
        """
        rate = self.clips * steps / seconds
        speed = Speed(
            rate,
            min(1.0, waited / seconds),
            None if self.peak is None else rate * self.flops / self.peak,
        )
        if self.path is not None:
            self._write({"iteration": done - 1, **attrs.asdict(speed)})
        return speed

    def _write(self, line: dict[str, Any]) -> None:
        assert self.path is not None
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise CannotRun(f"{self.path}: cannot be written: {error.strerror or error}") from None


def speed_meter(
    network: Network, recipe: Recipe, device: Device, clips: int, processes: int, path: Path | None
) -> SpeedMeter:
    """Return the meter of a run on clips of a recipe; `clips` are those of a step."""
    counted = cost(network, frames=recipe.frames, size=recipe.size).multiply_adds
    peak = peak_flops(device)
    return SpeedMeter(
        clips,
        float(_PASSES * _FLOPS_PER_MULTIPLY_ADD * counted),
        None if peak is None else peak * processes,
        path,
    )


def peak_flops(device: Device) -> float | None:
    """Return the peak speed of a device in its precision in flop/s; None if it is unknown."""
    if not device.is_cuda or any(words in device.hardware for words in _SLOWER):
        return None
    for name, speeds in _PEAKS.items():
        if name in device.hardware:
            found = speeds.get(device.precision)
            return None if found is None else 1e12 * found
    return None
