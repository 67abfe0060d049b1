"""The videos and clips of an evaluation, as requested by options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from anetc.data.values import Dataset, DataSpec, Split
    from anetc.evaluation.protocols import Protocol
    from anetc.video.clips import Recipe
    from anetc.weights.trained_on import TrainedOn


@attrs.frozen
class EvalRequest:
    """Values that select the videos of an evaluation and how clips are cut from them."""

    data: str | os.PathLike[str] | None
    format: str | None
    split: Split | None
    protocol: Protocol | None
    frames: int | None
    size: tuple[int, int] | None
    clips: int | None
    fps: float | None
    seed: int

    def open_videos(
        self, weights: str, trained_on: TrainedOn | None, *, flow: bool, objects: int | None
    ) -> tuple[Dataset, dict[str, Any], tuple[str, ...]]:
        """Open the split to run a network on; `flow` requests optical flow.

        `objects` is the number of channels of its object input, or None.
        `trained_on` is the training that the weights file holds. Return the data set, labelled by
        the classes of the network; `data`, `split` and `recipe` of the JSON output; and warnings.
        Raises CannotRun if the data cannot be opened, have other classes, or an option does not
        apply to them.
        """
        from anetc.evaluation.as_trained import (
            clip_warning,
            nothing_known,
            with_trained_classes,
        )
        from anetc.evaluation.protocols import (
            check_clips,
            protocol_recipe,
            recipe_to_json,
            stored_frames,
        )

        spec = self._spec()
        recipe = protocol_recipe(
            spec,
            self.protocol,
            frames=self.frames,
            size=self.size,
            clips=self.clips,
            fps=self.fps,
            trained_on=trained_on,
        )
        dataset, about = self._open(spec, spec, recipe, flow=flow, objects=objects)
        check_clips(dataset, recipe)
        about["recipe"] = recipe_to_json(dataset, recipe)
        if trained_on is None:
            return dataset, about, (nothing_known(weights),)
        is_stored = stored_frames(dataset) is not None
        differing = clip_warning(trained_on, recipe, stored=is_stored)
        dataset, notes = with_trained_classes(dataset, trained_on, weights)
        return dataset, about, (*notes, *([differing] if differing else []))

    def open_labels(self) -> tuple[Dataset, dict[str, Any]]:
        """Open the split for its labels alone; videos of Charades and lists need not be present.

        Return the data set, and `data` and `split` of the JSON output. Raises CannotRun if the data
        cannot be opened.
        """
        from anetc.evaluation.protocols import label_recipe

        spec = opened = self._spec()
        if spec.format == "charades" and "videos" not in dict(spec.options):
            # Any folder will do: no video is read.
            opened = attrs.evolve(spec, options=(*spec.options, ("videos", ".")))
        if spec.format == "list" and "missing" not in dict(spec.options):
            opened = attrs.evolve(spec, options=(*spec.options, ("missing", "keep")))
        return self._open(spec, opened, label_recipe(spec), flow=False)

    def _spec(self) -> DataSpec:
        from anetc.data.spec import parse_spec

        assert self.data is not None
        return parse_spec(self.data, self.format)

    def _open(
        self,
        spec: DataSpec,
        opened: DataSpec,
        recipe: Recipe,
        *,
        flow: bool,
        objects: int | None = None,
    ) -> tuple[Dataset, dict[str, Any]]:
        from anetc.data.open import open_data
        from anetc.data.spec import spec_text
        from anetc.evaluation.protocols import reported_split

        split = self.split or reported_split(spec)
        dataset = open_data(opened, split, recipe, flow=flow, objects=objects)
        return dataset, {"data": spec_text(spec), "split": split}
