"""The GPUs of a search's trials, as values of CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from anetdsl.errors import CannotRun

VARIABLE = "CUDA_VISIBLE_DEVICES"
ALL = "all"
"""Word of `--gpus` for all GPUs that this process may use."""

_NAME = re.compile(r"(GPU|MIG)-\S+")
_LISTED = re.compile(r"^(GPU|\s+MIG) .*\(UUID: ([^)\s]+)\)\s*$", re.MULTILINE)
_LIST_SECONDS = 30.0


def gpu_slots(
    gpus: Sequence[str], environment: Mapping[str, str] = os.environ, *, per_gpu: int = 1
) -> tuple[str, ...]:
    """Return values of CUDA_VISIBLE_DEVICES: `per_gpu` slots for each of the GPUs, in turn.

    A number is a position in the list of the GPUs that this process may use, as in PyTorch's
    `cuda:1`; a scheduler sets that list by CUDA_VISIBLE_DEVICES. Names of GPUs (GPU-...) and of
    their parts (MIG-...) are passed on. `all` stands for the whole list. Raises CannotRun for what
    is none of these, and for a position that does not exist.
    """
    names = [gpu.strip() for gpu in gpus]
    if ALL in names:
        if len(names) > 1:
            raise CannotRun("--gpus: `all` names all GPUs; leave out the others")
        found = visible_gpus(environment)
        if not found:
            hidden = f": {VARIABLE} hides them" if VARIABLE in environment else ""
            raise CannotRun(f"--gpus all: this process has no NVIDIA GPU{hidden}")
        return found * per_gpu
    visible = _visible(environment)
    return tuple(_slot(name, visible) for name in names) * per_gpu


def visible_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the GPUs that this process may use, as values of CUDA_VISIBLE_DEVICES.

    Without that variable they are the machine's GPUs by number, or by name where a GPU is divided
    into parts (MIG). No library of CUDA is loaded.
    """
    visible = _visible(environment)
    return tuple(installed_gpus() if visible is None else visible)


def installed_gpus() -> list[str]:
    """Return the GPUs of this machine or container, as values of CUDA_VISIBLE_DEVICES."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIST_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        # Without the program, as in some containers: each GPU has a device file.
        count = sum(1 for path in Path("/dev").glob("nvidia*") if path.name[6:].isdecimal())
        return [str(number) for number in range(count)]
    return listed_gpus(listed)


def listed_gpus(text: str) -> list[str]:
    """Return the GPUs in the output of `nvidia-smi -L`, as values of CUDA_VISIBLE_DEVICES.

    A GPU that is divided into parts cannot be used as a whole; its parts follow it in the list.
    """
    found: list[str] = []
    for kind, name in _LISTED.findall(text):
        if kind != "GPU" and found and found[-1].startswith("GPU-"):
            found.pop()
        found.append(name)
    if all(name.startswith("GPU-") for name in found):
        return [str(number) for number in range(len(found))]
    return found


def _visible(environment: Mapping[str, str]) -> list[str] | None:
    """Return the GPUs that a process may use; None for all. CUDA stops at the first wrong one."""
    if VARIABLE not in environment:
        return None
    visible = []
    for name in map(str.strip, environment[VARIABLE].split(",")):
        if not (name.isdecimal() or _NAME.fullmatch(name)):
            break
        visible.append(name)
    return visible


def _slot(gpu: str, visible: list[str] | None) -> str:
    if _NAME.fullmatch(gpu):
        return gpu
    if not gpu.isdecimal():
        raise CannotRun(
            f"--gpus: `{gpu}` is neither a number nor a name such as GPU-... or MIG-...; `all` is "
            "all GPUs"
        )
    if visible is None:
        return str(int(gpu))
    if int(gpu) < len(visible):
        return visible[int(gpu)]
    listed = f"lists {len(visible)} ({', '.join(visible)})" if visible else "hides all GPUs"
    raise CannotRun(
        f"--gpus: there is no GPU {gpu}: {VARIABLE} {listed}, and numbers are positions in that "
        "list, from 0"
    )
