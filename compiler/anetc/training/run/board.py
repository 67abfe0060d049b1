"""Write a run's metrics for TensorBoard, which the extra `tensorboard` installs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anetdsl.errors import CannotRun


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
