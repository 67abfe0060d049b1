"""The device that a command computes on."""

from __future__ import annotations

from anetdsl.diagnostics import CannotRun


def check_device(device: str) -> None:
    """Raise CannotRun for a device that there is not, or that has no numbers to give."""
    import torch

    try:
        torch.zeros(1, device=device).cpu()  # `meta` has none
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise CannotRun(f"--device {device}: {reason}") from None
