"""The data that `anetc eval` is asked about, opened once it is known that they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from anetc.data.values import Dataset, DataSpec, Split
    from anetc.evaluation.protocols import Protocol


@attrs.frozen
class EvalRequest:
    """Which videos, and how clips are cut of them."""

    data: str | None
    format: str | None
    split: Split | None
    protocol: Protocol | None
    frames: int | None
    size: tuple[int, int] | None
    clips: int | None
    fps: float | None
    seed: int

    def videos(self, *, flow: bool) -> tuple[Dataset, dict[str, Any]]:
        """The data set, and what is said of it. Raises CannotRun."""
        spec = self._spec()
        return self._open(spec, spec, flow=flow)

    def labels(self) -> tuple[Dataset, dict[str, Any]]:
        """The data set for its labels alone, whose videos need not be there. Raises CannotRun."""
        spec = self._spec()
        opened = spec
        if spec.format == "charades" and "videos" not in dict(spec.options):
            opened = attrs.evolve(spec, options=(*spec.options, ("videos", ".")))
        return self._open(spec, opened, flow=False)

    def _spec(self) -> DataSpec:
        from anetc.data.spec import parse_spec

        assert self.data is not None
        return parse_spec(self.data, self.format)

    def _open(
        self, spec: DataSpec, opened: DataSpec, *, flow: bool
    ) -> tuple[Dataset, dict[str, Any]]:
        from anetc.data.open import open_data
        from anetc.data.spec import spec_text
        from anetc.evaluation.protocols import protocol_recipe, reported_split

        recipe = protocol_recipe(
            spec,
            self.protocol,
            frames=self.frames,
            size=self.size,
            clips=self.clips,
            fps=self.fps,
        )
        split = self.split or reported_split(spec)
        dataset = open_data(opened, split, recipe, flow=flow, seed=self.seed)
        return dataset, {
            "data": spec_text(spec),
            "split": split,
            "recipe": attrs.asdict(recipe),
        }
