"""The GPUs of `--gpus` as values of CUDA_VISIBLE_DEVICES for the trials."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from anetdsl.errors import CannotRun

VARIABLE = "CUDA_VISIBLE_DEVICES"

_NAME = re.compile(r"(GPU|MIG)-\S+")


def gpu_slots(gpus: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the values of CUDA_VISIBLE_DEVICES, one for each of the GPUs.

    A number is a position in the list of the GPUs that this process may use, as in PyTorch's
    `cuda:1`; a scheduler sets that list by CUDA_VISIBLE_DEVICES. Names of GPUs (GPU-...) and of
    their parts (MIG-...) are passed on. Raises CannotRun for what is neither, and for a position
    that does not exist.
    """
    visible = _visible(environment)
    return tuple(_slot(gpu.strip(), visible) for gpu in gpus)


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
            f"--gpus: `{gpu}` is neither a number nor a name such as GPU-... or MIG-..."
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
