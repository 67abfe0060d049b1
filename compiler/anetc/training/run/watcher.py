"""Reports of a training run while it runs: a protocol that a display implements."""

from __future__ import annotations

from typing import Protocol

import attrs


@attrs.frozen
class StepReport:
    """Progress of a run after some steps."""

    done: int
    """Number of steps done so far."""
    iterations: int
    """Number of steps of the whole run."""
    loss: float
    """Mean loss of the steps since the last report."""
    learning_rate: float
    clips_per_second: float
    waiting: float | None = None
    """Fraction of the time since the last report that was spent waiting for clips."""
    mfu: float | None = None
    """Model FLOP utilisation (`Speed`); None where the peak speed of the device is unknown."""


class Watcher(Protocol):
    """Receiver of the reports of a run."""

    def steps_done(self, report: StepReport) -> None:
        """Receive the progress after some steps."""
        ...

    def message(self, text: str) -> None:
        """Receive a line about an event, such as a validation."""
        ...


class SilentWatcher:
    """A watcher that ignores all reports."""

    def steps_done(self, report: StepReport) -> None:
        """Do nothing."""

    def message(self, text: str) -> None:
        """Do nothing."""
