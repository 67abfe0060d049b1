"""The recipes of training and validation clips, by the format of the data."""

from __future__ import annotations

import attrs
import pytest

from anetc.data.recipes import recipes_for, recipes_from_json, recipes_to_json
from anetc.data.values import DataSpec, Format
from anetc.video.clips import CHARADES_TEST, CHARADES_TRAIN, MOMENTS_TEST, MOMENTS_TRAIN, Recipe
from anetdsl.errors import CannotRun


def spec(format: Format, **options: str) -> DataSpec:
    return DataSpec(format, None if format == "motion" else "x", tuple(options.items()))


@pytest.mark.parametrize(
    ("format", "train", "validation"),
    [
        ("moments", MOMENTS_TRAIN, MOMENTS_TEST),
        ("charades", CHARADES_TRAIN, CHARADES_TEST),
    ],
)
def test_published_data_have_the_recipes_of_the_paper(
    format: Format, train: Recipe, validation: Recipe
) -> None:
    found = recipes_for(spec(format))
    assert (found.train, found.validation) == (train, validation)


@pytest.mark.parametrize("format", ["folder", "list"])
def test_own_videos_have_smaller_clips_of_one_flow(format: Format) -> None:
    """Training and validation resize frames alike, so one cache of optical flow serves both."""
    clip = {"frames": 16, "size": (112, 112), "short_side": 128}
    found = recipes_for(spec(format))
    assert found.train == attrs.evolve(MOMENTS_TRAIN, flip=False, **clip)
    assert found.validation == attrs.evolve(MOMENTS_TEST, **clip)
    found = recipes_for(spec(format), 4, (32, 32))
    for recipe in (found.train, found.validation):
        assert (recipe.frames, recipe.size, recipe.short_side) == (4, (32, 32), 37)


def test_the_short_side_keeps_its_proportion_to_the_crop() -> None:
    """256 px for training crops of 224 px; validation crops have the whole height."""
    found = recipes_for(spec("moments"), 8, (112, 84))
    assert (found.train.frames, found.train.size, found.train.short_side) == (8, (112, 84), 128)
    assert (found.validation.frames, found.validation.short_side) == (8, 112)


def test_formats_of_clips_use_whole_frames() -> None:
    found = recipes_for(spec("arrays"))
    for recipe in (found.train, found.validation):
        assert (recipe.frames, recipe.size, recipe.short_side) == (16, (32, 32), None)
    assert recipes_for(spec("motion", level="3")).train.frames == 32
    assert recipes_for(spec("arrays"), 8, (64, 64)).validation.size == (64, 64)


def test_mirroring_is_an_option() -> None:
    assert recipes_for(spec("moments")).train.flip
    assert not recipes_for(spec("moments"), flip=False).train.flip
    assert recipes_for(spec("folder"), flip=True).train.flip
    assert not recipes_for(spec("folder"), flip=True).validation.flip


def test_recipes_can_be_json() -> None:
    given = {"frames": 8, "size": [48, 64], "flip": True}
    found = recipes_from_json(spec("folder"), given, "x")
    assert found == recipes_for(spec("folder"), 8, (48, 64), flip=True)
    assert recipes_to_json(found)["train"]["frames"] == 8


@pytest.mark.parametrize(
    "document", [{"frames": 0}, {"size": [8]}, {"size": [0, 8]}, {"flip": 1}, {"frames": True}]
)
def test_wrong_recipes_are_errors(document: object) -> None:
    with pytest.raises(CannotRun, match="x: "):
        recipes_from_json(spec("folder"), document, "x")
