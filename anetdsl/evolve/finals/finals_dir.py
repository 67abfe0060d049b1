"""Paths of the files of the finals.

RUN/finals/plan.json             what is trained: the networks and the settings
RUN/finals/networks/NAME.anet    texts of the networks
RUN/finals/trainings/            a record and a folder for each training (`TrainingFolder`)
RUN/finals/winner.anet           the winner with its learned edge weights and its score
RUN/finals/weights.safetensors   its weights
RUN/finals/table.md, table.json  the results; table.json is written last

The folder can be read while the finals run.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from anetdsl.evolve.trainings.training_folder import TrainingFolder


@attrs.frozen
class FinalsDir:
    """The folder of the finals of a search."""

    path: Path = attrs.field(converter=Path)

    @classmethod
    def of(cls, run: str | Path) -> FinalsDir:
        """Return the folder of the finals of a run."""
        return cls(Path(run) / "finals")

    @property
    def plan(self) -> Path:
        """The networks and the settings, JSON. Written when the finals begin."""
        return self.path / "plan.json"

    @property
    def networks(self) -> Path:
        """Folder of the networks' texts."""
        return self.path / "networks"

    @property
    def trainings(self) -> TrainingFolder:
        """Folder of the trainings."""
        return TrainingFolder(self.path / "trainings")

    @property
    def winner(self) -> Path:
        """Text of the winner."""
        return self.path / "winner.anet"

    @property
    def weights(self) -> Path:
        """Weights of the winner."""
        return self.path / "weights.safetensors"

    @property
    def table(self) -> Path:
        """Results as Markdown."""
        return self.path / "table.md"

    @property
    def results(self) -> Path:
        """Results, JSON. Written last: finals with this file are finished."""
        return self.path / "table.json"
