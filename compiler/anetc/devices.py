"""The device of a computation, its precision and its engine. This module does not import torch.

`resolve` makes one value, a `Device`, of the options of every command. `set_up` sets PyTorch's
global switches for it.
"""

from __future__ import annotations

import os
import platform
import warnings
from pathlib import Path
from typing import Any, Literal

import attrs

from anetc.process_start import describe_threads
from anetdsl.errors import CannotRun

PrecisionChoice = Literal["auto", "float32", "bfloat16", "ieee"]
Precision = Literal["float32", "bfloat16", "ieee"]
"""Precision of a computation; weights, their gradients and their sums are always float32.

`float32` lets a GPU round the factors of products to 10 bits (TF32), and `ieee` does not. On a CPU
both are the same. `bfloat16` computes in bfloat16 by autocast.
"""
EngineChoice = Literal["fast", "reference"]

MANY_STEPS = 1000
"""Number of training steps from which the minutes of a compilation are won back on a GPU."""
_BFLOAT16_CAPABILITY = (8, 0)
"""First compute capability of NVIDIA GPUs that have tensor cores for bfloat16."""
_DRIVER = Path("/proc/driver/nvidia/version")
KINDS = ("cpu", "cuda")
"""Types of devices that commands compute on."""


@attrs.frozen(kw_only=True)
class Device:
    """A device that PyTorch can use, and how it computes."""

    name: str
    """Name for PyTorch, such as `cpu` or `cuda:0`."""
    hardware: str
    """Name of the processor or the GPU."""
    precision: Precision = "float32"
    engine: EngineChoice = "fast"
    compiled: bool = False
    """True if the engine is compiled by torch.compile."""
    deterministic: bool = False
    """True if only operations are used that give the same numbers every time."""
    unused: str = ""
    """Reason why PyTorch cannot use the GPU of this machine; empty without a GPU."""

    @property
    def kind(self) -> str:
        """Type of the device, such as `cpu` or `cuda`."""
        return self.name.partition(":")[0]

    @property
    def is_cuda(self) -> bool:
        """True for an NVIDIA GPU."""
        return self.kind == "cuda"

    def for_training(self, steps: int) -> Device:
        """Return the device for a training of `steps` steps: compiled if they are many."""
        compiled = self.is_cuda and self.engine == "fast" and steps > MANY_STEPS
        return attrs.evolve(self, compiled=compiled)

    def line(self, threads: str | None = None) -> str:
        """Return a line about the device, such as "on NVIDIA H100, bfloat16, compiled".

        `threads` describes the threads of a CPU; by default it is PyTorch's number of threads.
        """
        parts = [self.hardware]
        if self.kind == "cpu":
            parts.append(threads or _threads())
        if self.precision == "ieee":
            parts.append("float32 without TF32" if self.is_cuda else "float32")
        else:
            parts.append(self.precision)
        if self.engine == "reference":
            parts.append("reference module")
        if self.compiled:
            parts.append("compiled")
        if self.deterministic:
            parts.append("deterministic")
        place = "on the CPU: " if self.kind == "cpu" else "on "
        unused = f"; PyTorch cannot use the GPU: {self.unused}" if self.unused else ""
        return place + ", ".join(parts) + unused

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON, for results."""
        names = ("name", "hardware", "precision", "engine", "compiled", "deterministic")
        return {name: getattr(self, name) for name in names}


def resolve(
    device: str = "auto",
    precision: PrecisionChoice = "auto",
    *,
    engine: EngineChoice = "fast",
    deterministic: bool = False,
) -> Device:
    """Return the device that options name, after PyTorch has used it once.

    `auto` is the first NVIDIA GPU that PyTorch can use, else the CPU. Of several processes that
    `torchrun` starts, each gets a GPU of its own, by LOCAL_RANK. The precision `auto` is bfloat16
    on GPUs that have tensor cores for it (from compute capability 8.0 on), else float32.

    Raise CannotRun, with PyTorch's reason, for a device that PyTorch cannot use, for one that is
    neither a CPU nor an NVIDIA GPU, and for the reference module with `deterministic` on a GPU.
    """
    name, unused = str(device), ""
    if name == "auto":
        found, unused = _find_gpu()
        name = "cuda" if found else "cpu"
    kind = name.partition(":")[0]
    if kind not in KINDS:
        raise CannotRun(f"--device {name}: write auto, cpu, cuda or cuda:N")
    if kind == "cuda":
        if deterministic and engine == "reference":
            raise CannotRun(
                "--deterministic: on a GPU the max pools of the reference module have no "
                "deterministic gradient; leave out --engine reference"
            )
        name = _of_process(name)
    check_device(name)
    if name == "cuda":
        name = "cuda:0"
    return Device(
        name=name,
        hardware=_hardware(name),
        precision=_precision(name, precision),
        engine=engine,
        deterministic=deterministic,
        unused=unused,
    )


def check_device(name: str) -> None:
    """Raise CannotRun for a device that PyTorch cannot use."""
    import torch

    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CannotRun(f"--device {name}: {reason}") from None


def set_up(device: Device, threads: int | None = None) -> None:
    """Set PyTorch's global switches for a device, and its number of threads if one is given.

    A CPU has no switches. On a GPU these are the current device, TF32 for products and
    convolutions, the search for the fastest convolution (cudnn.benchmark), and deterministic
    algorithms.
    """
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    if not device.is_cuda:
        return
    import torch

    torch.cuda.set_device(device.name)
    allowed = device.precision != "ieee"
    # The newer names of these switches (fp32_precision) break torch.compile: Inductor reads the
    # older ones, and PyTorch refuses to read one kind after the other was set.
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cudnn.benchmark = not device.deterministic
    torch.backends.cudnn.deterministic = device.deterministic
    if device.deterministic:
        # cuBLAS reads it when it starts. Without it, PyTorch refuses deterministic products.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Also switched off: an earlier training of this process may have been deterministic.
    torch.use_deterministic_algorithms(device.deterministic)


def has_nvidia_driver() -> bool:
    """Return whether this machine has the driver of an NVIDIA GPU."""
    return _DRIVER.exists()


def processor_name() -> str:
    """Return the processor's name, as far as the system provides it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _find_gpu() -> tuple[bool, str]:
    """Return whether PyTorch can use an NVIDIA GPU; and if there is one that it cannot use, why."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = torch.cuda.is_available()
    if found or not has_nvidia_driver():
        return found, ""
    if torch.version.cuda is None:
        return False, "this build of PyTorch is for CPUs only"
    reasons = [str(warning.message).splitlines()[0] for warning in caught]
    return False, reasons[0] if reasons else "PyTorch sees none; see CUDA_VISIBLE_DEVICES"


def _of_process(name: str) -> str:
    """Return the name of this process's GPU. Of several processes, each has one of its own."""
    rank = os.environ.get("LOCAL_RANK", "")
    if not rank.isdecimal():
        return name
    if ":" in name:
        raise CannotRun(f"--device {name}: each of several processes has a GPU; use --device cuda")
    import torch

    count = torch.cuda.device_count()
    if count and int(rank) >= count:
        gpus = "1 GPU" if count == 1 else f"{count} GPUs"
        raise CannotRun(
            f"--device {name}: process {rank} of this machine has no GPU, because PyTorch sees "
            f"{gpus}; start at most {count} processes on a machine"
        )
    return f"cuda:{rank}"


def _precision(name: str, choice: PrecisionChoice) -> Precision:
    if choice != "auto":
        return choice
    if not name.startswith("cuda"):
        return "float32"
    import torch

    capable = torch.cuda.get_device_capability(name) >= _BFLOAT16_CAPABILITY
    return "bfloat16" if capable else "float32"


def _hardware(name: str) -> str:
    if name.startswith("cpu"):
        return processor_name()
    if not name.startswith("cuda"):
        return name
    import torch

    return str(torch.cuda.get_device_name(name))


def _threads() -> str:
    import torch

    return describe_threads(torch.get_num_threads())
