"""What can stop a training run, as exceptions whose texts are for the user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

from anetc.memory import is_out_of_memory
from anetdsl.errors import CannotRun

Failure = Literal["out_of_memory", "nan", "timeout", "bad_data", "error"]


class TrainingFailure(CannotRun):
    """A run that had to stop; `kind` says why, for programs."""

    kind: Failure = "error"


class OutOfMemory(TrainingFailure):
    """The machine or the device has not enough memory."""

    kind = "out_of_memory"


class NotANumber(TrainingFailure):
    """The loss or a weight is no finite number any more."""

    kind = "nan"


class TimedOut(TrainingFailure):
    """The time that was given has passed."""

    kind = "timeout"


class BadData(TrainingFailure):
    """The data cannot be read."""

    kind = "bad_data"


@contextlib.contextmanager
def memory_watched(doing: str) -> Iterator[None]:
    """Raises OutOfMemory in place of the errors that PyTorch, NumPy and Python have for it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"there is not enough memory {doing}: take a smaller --batch, "
            "compute it in parts (--accumulate), or keep less (--recompute)"
        ) from None
