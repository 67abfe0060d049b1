"""The device and the precision of a computation. Importing this module does not import torch."""

from __future__ import annotations

from typing import Literal

from anetdsl.errors import CannotRun

Precision = Literal["float32", "bfloat16"]


def check_device(device: str) -> None:
    """Raise CannotRun for a device that PyTorch cannot use, or that stores no values (`meta`)."""
    import torch

    try:
        torch.zeros(1, device=device).cpu()  # fails for `meta`
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise CannotRun(f"--device {device}: {reason}") from None
