"""All stages of `make gpu-check` (`gpu_check.py`), each with its deadline in seconds.

A stage is a function of a `Setting` and of the `Stage` that it fills. With `tiny` it runs in
seconds on a CPU, on small networks and few steps: so does tests/test_gpu_check.py. The numbers mean
nothing then; the tests show that stages run and compare.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.gpu_command_stages import artifacts_stage, commands_stage
from benchmarks.gpu_number_stages import device_stage, numbers_stage, waiting_stage
from benchmarks.gpu_run_stages import feeding_stage, memory_stage, trials_stage
from benchmarks.gpu_setting import Setting, Stage
from benchmarks.gpu_speed_stages import compiled_stage, small_stage, speed_stage

Run = Callable[[Setting, Stage], None]

STAGES: dict[str, tuple[Run, int]] = {
    "device": (device_stage, 15),
    "numbers": (numbers_stage, 65),
    "waiting": (waiting_stage, 15),
    "commands": (commands_stage, 105),
    "speed": (speed_stage, 45),
    "compiled": (compiled_stage, 140),
    "small": (small_stage, 55),
    "memory": (memory_stage, 30),
    "feeding": (feeding_stage, 25),
    "trials": (trials_stage, 40),
}
"""The stages of `make gpu-check` in order: 535 seconds together."""
MORE_STAGES: dict[str, tuple[Run, int]] = {"artifacts": (artifacts_stage, 300)}
"""Stages that run only where they are named."""
ALL_STAGES = {**STAGES, **MORE_STAGES}
