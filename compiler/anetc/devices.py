"""The device and the precision that a command computes on. Importing this module is cheap."""

from __future__ import annotations

from typing import Literal

from anetdsl.errors import CannotRun

Precision = Literal["float32", "bfloat16"]


def check_device(device: str) -> None:
    """Raise CannotRun for a device that there is not, or that has no numbers to give."""
    import torch

    try:
        torch.zeros(1, device=device).cpu()  # `meta` has none
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise CannotRun(f"--device {device}: {reason}") from None
