"""Give a run's metrics to a service: TensorBoard files, MLflow, or Weights & Biases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from anetc.training.run.run_folder import BOARD
from anetc.training.run.trackers import Tracking
from anetdsl.errors import CannotRun

SERVICES = ("tensorboard", "mlflow", "wandb")


class MetricsBoard(Protocol):
    """A receiver of the lines of metrics.jsonl."""

    def write(self, *lines: Mapping[str, Any]) -> None:
        """Add lines."""


def open_board(
    service: str,
    folder: Path,
    start: int,
    settings: Mapping[str, Any],
    warn: Callable[[str], None],
) -> AbstractContextManager[MetricsBoard]:
    """Return the board of a run in `folder` that has done `start` steps.

    Raises CannotRun for an unknown service, and where it cannot be used.
    """
    match service:
        case "tensorboard":
            return Board(folder / BOARD, start)
        case "mlflow" | "wandb":
            return Tracking(service, folder, settings, warn)
    raise CannotRun(f"log: there is no service {service!r}; choose from {', '.join(SERVICES)}")


class Board:
    """TensorBoard event files in a folder. Earlier events of steps from `start` on are dropped."""

    def __init__(self, folder: Path, start: int) -> None:
        """Open the event files. Raises CannotRun where TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise CannotRun(
                "--tensorboard needs TensorBoard: pip install 'anetdsl[tensorboard]'"
            ) from None
        self._writer: Any = SummaryWriter(folder, purge_step=start)

    def write(self, *lines: Mapping[str, Any]) -> None:
        """Add lines of metrics.jsonl."""
        for line in lines:
            step = line["iteration"]
            for name, value in line.items():
                if name == "validation":
                    for measure, number in value.items():
                        if number is not None:
                            self._writer.add_scalar(f"validation/{measure}", number, step)
                elif name != "iteration":
                    self._writer.add_scalar(f"training/{name}", value, step)

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
