"""Augmentation of clips: random resized crops with their flow, and colour jitter."""

from __future__ import annotations

import colorsys
import math

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from anetc.video.augment import (
    OFF,
    Augmentation,
    Region,
    colour_map,
    crop_and_resize,
    crop_and_resize_flow,
    draw_region,
    jitter,
)
from anetc.video.clips import Recipe, cut_flow, cut_pixels, draw_cuts, generator, recipe_values
from anetdsl.errors import CannotRun

FRAME = (60, 100)
RECIPE = Recipe(frames=4, size=(32, 40), short_side=48, when="random", where="random", flip=True)
CROPS = Augmentation(crop_area=(0.2, 0.6))
COLOURS = Augmentation(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (4, height, width, 3), np.uint8)


# Off by default


def test_nothing_changes_by_default() -> None:
    assert Augmentation() == OFF
    assert not OFF.is_on
    assert RECIPE.augment is OFF
    assert {"augment", "mirror"}.isdisjoint(recipe_values(RECIPE))


def test_places_and_mirroring_are_those_without_augmentation() -> None:
    """The seeds of the augmentation are drawn after all other numbers."""
    several = attrs.evolve(RECIPE, clips=3)
    augmented = attrs.evolve(several, augment=CROPS)
    plain = draw_cuts(several, 50, generator(1, 2, "a"))
    cuts = draw_cuts(augmented, 50, generator(1, 2, "a"))
    assert [attrs.evolve(cut, seed=0) for cut in cuts] == plain
    assert len({cut.seed for cut in cuts}) == 3
    assert cuts == draw_cuts(augmented, 50, generator(1, 2, "a"))
    assert cuts != draw_cuts(augmented, 50, generator(1, 3, "a"))


def test_jitter_does_not_change_the_region() -> None:
    both = attrs.evolve(CROPS, brightness=0.3)
    for seed in range(5):
        assert draw_region(both, seed, FRAME, (8, 8)) == draw_region(CROPS, seed, FRAME, (8, 8))


# Random resized crops


@pytest.mark.parametrize("size", [(32, 32), (32, 64)])
def test_regions_have_the_area_and_the_aspect(size: tuple[int, int]) -> None:
    """Relative to the clip's aspect; the edges are rounded to pixels."""
    areas, aspects = [], []
    for seed in range(400):
        region = draw_region(CROPS, seed, FRAME, size)
        assert 0 <= region.top <= FRAME[0] - region.height
        assert 0 <= region.left <= FRAME[1] - region.width
        areas.append(region.height * region.width / (FRAME[0] * FRAME[1]))
        aspects.append(region.width / region.height * size[0] / size[1])
    assert 0.19 < min(areas) < 0.23
    assert 0.55 < max(areas) < 0.62
    assert 0.72 < min(aspects) < 0.8
    assert 1.25 < max(aspects) < 1.38
    assert np.mean(areas) == pytest.approx(0.4, abs=0.03 if size == (32, 32) else 0.08)


def test_a_region_that_never_fits_is_the_largest_central_one() -> None:
    """A frame of 10 x 100 has no square of its whole area: 13 is 10 times 4/3."""
    region = draw_region(Augmentation(crop_area=(1, 1)), 0, (10, 100), (8, 8))
    assert region == Region(0, 43, 10, 13)
    assert draw_region(Augmentation(crop_area=(1, 1)), 0, (10, 10), (8, 8)).height == 10


def test_pixels_are_those_of_the_region() -> None:
    """A ramp stays a ramp where it is enlarged; where nothing is resized, pixels are equal."""
    ramp = np.broadcast_to(np.arange(100, dtype=np.uint8)[None, None, :, None], (2, 60, 100, 3))
    region = Region(5, 20, 20, 40)
    found = crop_and_resize(ramp, region, (40, 80))
    assert found.shape == (2, 40, 80, 3)
    inner = found[0, 3, 2:-2, 0].astype(float)
    assert inner == pytest.approx(20 + (np.arange(2, 78) + 0.5) / 2 - 0.5, abs=0.51)
    pixels = noise(60, 100)
    assert np.array_equal(crop_and_resize(pixels, region, (20, 40)), pixels[:, 5:25, 20:60])


@pytest.mark.parametrize("kind", [np.int8, np.float32])
def test_flow_follows_the_geometry(kind: type) -> None:
    """Twice as many columns and half as many rows: u is doubled, v halved, up to the limit."""
    largest = 127 if kind is np.int8 else 1.0
    fields = np.zeros((2, 60, 100, 2), kind)
    fields[..., 0], fields[..., 1] = 0.2 * largest, -0.4 * largest
    fields[1, ..., 0] = 0.7 * largest
    found = crop_and_resize_flow(fields, Region(0, 10, 40, 30), (20, 60))
    assert (found.shape, found.dtype) == ((2, 20, 60, 2), kind)
    tolerance = 1.01 if kind is np.int8 else 1e-6
    assert found[0, ..., 0] == pytest.approx(0.4 * largest, abs=tolerance)
    assert found[0, ..., 1] == pytest.approx(-0.2 * largest, abs=tolerance)
    assert found[1, ..., 0] == pytest.approx(largest, abs=1e-6)


def test_flow_and_pixels_are_cut_from_the_same_region() -> None:
    """Flow that equals the pixels' ramp is the same picture, times the growth of the frame."""
    x = np.linspace(0, 1, 64, dtype=np.float32)
    ramp = np.broadcast_to(x[None, None, :, None], (4, 48, 64, 2))
    pixels = np.broadcast_to((x * 250)[None, None, :, None], (4, 48, 64, 3)).astype(np.uint8)
    recipe = attrs.evolve(RECIPE, augment=CROPS)
    for sample in range(6):
        (cut,) = draw_cuts(recipe, 4, generator(0, 0, sample))
        region = draw_region(CROPS, cut.seed, (48, 64), recipe.size)
        clip, corner = cut_pixels(pixels, recipe, cut)
        flow = cut_flow(ramp, recipe, cut)
        assert corner == (region.top, region.left)
        growth = recipe.size[1] / region.width * (-1 if cut.flipped else 1)
        expected = clip[..., 0] / 250 * growth
        assert flow[..., 0] == pytest.approx(np.clip(expected, -1, 1), abs=0.02)


# Colour jitter


def test_each_colour_change_is_the_documented_one() -> None:
    """Brightness scales, contrast keeps the mean grey, saturation keeps the grey of each pixel."""
    grey = np.array([0.299, 0.587, 0.114])
    mean = np.array([50.0, 100.0, 150.0])
    colour = np.array([200.0, 10.0, 60.0])
    for seed in range(5):
        matrix, offset = colour_map(Augmentation(brightness=0.4), seed, mean)
        assert matrix == pytest.approx(np.eye(3) * matrix[0, 0])
        assert 0.6 <= matrix[0, 0] <= 1.4
        assert offset == pytest.approx(np.zeros(3))
        matrix, offset = colour_map(Augmentation(contrast=0.4), seed, mean)
        assert grey @ (matrix @ mean + offset) == pytest.approx(grey @ mean)
        assert 0.6 <= matrix[0, 0] <= 1.4
        matrix, offset = colour_map(Augmentation(saturation=0.4), seed, mean)
        assert grey @ (matrix @ colour) == pytest.approx(grey @ colour)
        assert matrix @ np.full(3, 77.0) + offset == pytest.approx(np.full(3, 77.0))


def test_hue_turns_the_colours() -> None:
    """Greys stay, luma stays, and a turn in YIQ is near one of HSV."""
    seed = next(s for s in range(99) if turned(s) > 0.05)
    matrix, offset = colour_map(Augmentation(hue=0.1), seed, np.zeros(3))
    assert matrix @ np.full(3, 90.0) + offset == pytest.approx(np.full(3, 90.0))
    red = matrix @ np.array([200.0, 100.0, 100.0])
    hue = colorsys.rgb_to_hsv(*red / 255)[0]
    angle = min(hue, 1 - hue)
    assert 0.02 < angle < 0.12


def turned(seed: int) -> float:
    """The share of a turn that a seed makes, from the trace of the turn's matrix."""
    matrix, _ = colour_map(Augmentation(hue=0.1), seed, np.zeros(3))
    cosine = (np.trace(matrix) - 1) / 2
    return math.acos(min(1.0, max(-1.0, cosine))) / (2 * math.pi)


def test_jitter_is_the_colour_map_of_all_pixels() -> None:
    pixels = noise(6, 7)
    matrix, offset = colour_map(COLOURS, 3, pixels.mean((0, 1, 2)))
    expected = (pixels.reshape(-1, 3) @ matrix.T + offset).clip(0, 255).reshape(pixels.shape)
    found = jitter(COLOURS, 3, pixels)
    assert found.dtype == np.uint8
    assert found == pytest.approx(expected, abs=0.51)
    assert np.array_equal(found, jitter(COLOURS, 3, pixels))
    assert not np.array_equal(found, jitter(COLOURS, 4, pixels))


def test_frames_that_are_equal_stay_equal() -> None:
    """All frames of a clip change alike."""
    pixels = np.repeat(noise(48, 64)[:1], 4, 0)
    recipe = attrs.evolve(RECIPE, augment=attrs.evolve(COLOURS, crop_area=(0.3, 1)))
    (cut,) = draw_cuts(recipe, 4, generator(0, 0, 0))
    clip, _ = cut_pixels(pixels, recipe, cut)
    assert all(np.array_equal(frame, clip[0]) for frame in clip)
    assert not np.array_equal(clip[0], pixels[0, :32, :40])


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop_area": (0.0, 1.0)},
        {"crop_area": (0.5, 1.5)},
        {"crop_area": (0.9, 0.5)},
        {"crop_aspect": (0.0, 1.0)},
        {"brightness": 1.5},
        {"hue": 0.6},
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(CannotRun, match=next(iter(wrong))):
        Augmentation(**wrong)  # type: ignore[arg-type]
