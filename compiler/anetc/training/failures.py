"""The exceptions that stop a training run. Their messages are written for the user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from anetc.memory import is_out_of_memory
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialFailure


class TrainingFailure(CannotRun):
    """A failure that stops a run. `kind` names it for programs."""

    kind: TrialFailure = "error"


class OutOfMemory(TrainingFailure):
    """The machine or the device does not have enough memory."""

    kind = "out_of_memory"


class NotANumber(TrainingFailure):
    """The loss or a weight is not finite (NaN or infinity)."""

    kind = "nan"


class TimedOut(TrainingFailure):
    """The time limit has passed."""

    kind = "timeout"


class BadData(TrainingFailure):
    """The data cannot be read."""

    kind = "bad_data"


@contextlib.contextmanager
def report_out_of_memory(doing: str) -> Iterator[None]:
    """Raise OutOfMemory in place of the errors of PyTorch, NumPy and Python.

    `doing` completes the message, such as "to train".
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"there is not enough memory {doing}; use a smaller --batch, or --accumulate, "
            "or --recompute"
        ) from None
