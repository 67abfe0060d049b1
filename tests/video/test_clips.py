"""Clips: the paper's protocols, reproducible random cuts, and conversion to tensors."""

from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import attrs
import numpy as np
import pytest

from anetc.video.clips import (
    CHARADES_TEST,
    CHARADES_TRAIN,
    MOMENTS_TEST,
    MOMENTS_TRAIN,
    Recipe,
    clip_starts,
    crop,
    fill,
    generator,
    sample_clips,
    to_tensor,
)
from anetc.video.decode import VideoError, decode, probe

SMALL = Recipe(frames=8, size=(32, 40), short_side=48, when="random", where="random", flip=True)


@pytest.mark.parametrize(
    ("recipe", "shape", "clips"),
    [
        (MOMENTS_TRAIN, (32, 224, 224, 3), 1),
        (MOMENTS_TEST, (36, 256, 256, 3), 1),
        (CHARADES_TRAIN, (128, 224, 224, 3), 1),
        (CHARADES_TEST, (64, 256, 256, 3), 5),
    ],
    ids=["moments-train", "moments-test", "charades-train", "charades-test"],
)
def test_the_papers_protocols(city, recipe, shape, clips):
    """Semantics 11; only training has random crops and mirroring."""
    found = sample_clips(city, recipe, seed=0, sample="v1")
    assert [clip.pixels.shape for clip in found] == [shape] * clips
    assert all(clip.pixels.dtype == np.uint8 for clip in found)
    assert recipe.fps == 12.5
    training = shape[1] == 224
    assert (recipe.flip, recipe.where == "random") == (training, training)


def test_the_test_clip_of_moments_is_the_middle(film, numbers):
    """A video of 3 s has 38 frames at 12.5; the test clip is 36 of them, from the second on."""
    path = film("three.mp4", 75)
    recipe = attrs.evolve(MOMENTS_TEST, size=(48, 48), short_side=48)
    (clip,) = sample_clips(path, recipe, seed=0, sample=0)
    assert clip.start == 1
    assert clip.corner == (0, 8)
    whole = decode(path, size=48).pixels
    assert len(whole) == 38
    assert np.array_equal(clip.pixels, whole[1:37, :, 8:56])


# Random numbers


def test_a_clip_is_a_function_of_seed_epoch_and_sample(city):
    """In any order, from a path or a probe, between other samples."""
    one = sample_clips(city, SMALL, seed=1, epoch=2, sample=3)[0]
    for sample in (9, 1, 3):
        again = sample_clips(probe(city), SMALL, seed=1, epoch=2, sample=sample)[0]
    assert np.array_equal(one.pixels, again.pixels)
    others = [(1, 2, 4), (1, 3, 3), (2, 2, 3), (3, 2, 1)]
    cuts = {
        (clip.start, clip.corner, clip.flipped)
        for seed, epoch, sample in others
        for clip in sample_clips(city, SMALL, seed=seed, epoch=epoch, sample=sample)
    }
    assert len(cuts) == len(others)


def test_the_private_generator_never_changes():
    """Other numbers would change every resumed run."""
    assert [round(generator(0, 0, 0).random(), 9) for _ in range(2)] == [0.256319998] * 2
    assert round(generator(7, 3, "abc.mp4").random(), 9) == 0.122183635
    draws = {generator(*key).random() for key in [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, "1")]}
    assert len(draws) == 4
    assert generator(1, 2, 3).random() == generator(np.int64(1), 2, np.int64(3)).random()
    assert generator(0, 0, "\udce9.mp4").random() < 1


def test_the_global_generators_are_not_used(city):
    """No numbers are drawn from them, and they are not seeded."""
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    sample_clips(city, SMALL, seed=0, sample=0)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def _digest(job: tuple[str, int]) -> tuple[int, int]:
    path, sample = job
    (clip,) = sample_clips(path, SMALL, seed=4, epoch=1, sample=sample)
    return clip.start, int(clip.pixels.astype(np.int64).sum())


def test_the_number_of_workers_does_not_change_the_clips(city):
    """In this process, or in two others."""
    jobs = [(str(city), sample) for sample in range(6)]
    expected = [_digest(job) for job in jobs]
    assert len(set(expected)) > 1
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert list(pool.map(_digest, jobs)) == expected


# Time


@pytest.mark.parametrize(
    ("when", "clips", "length", "expected"),
    [
        ("centre", 1, 10, [0]),
        ("centre", 1, 17, [3]),
        ("centre", 1, 3, [0]),
        ("even", 1, 20, [0]),
        ("even", 3, 20, [0, 5, 10]),
        ("even", 4, 10, [0, 0, 0, 0]),
        ("even", 2, 4, [0, 0]),
    ],
)
def test_starts_of_clips(when, clips, length, expected):
    """The centre, or evenly from the first start to the last."""
    recipe = Recipe(frames=10, size=(8, 8), when=when, clips=clips)
    assert clip_starts(recipe, length, random.Random(0)) == expected


def test_random_starts_are_uniform():
    """Over all possible starts of the clip, and independent."""
    recipe = Recipe(frames=10, size=(8, 8), when="random", clips=4000)
    starts = clip_starts(recipe, 14, random.Random(0))
    counts = np.bincount(starts)
    assert len(counts) == 5
    assert np.abs(counts - 800).max() < 100
    assert clip_starts(recipe, 10, random.Random(0)) == [0] * 4000
    short = np.bincount(clip_starts(recipe, 3, random.Random(0)))
    assert len(short) == 3
    held = clip_starts(attrs.evolve(recipe, fill="last"), 3, random.Random(0))
    assert set(held) == {0}


def test_the_five_clips_of_charades_depend_on_the_name(film):
    """Equal seeds and names give equal clips; another seed or name gives others."""
    info = probe(film("long.mp4", 500, gop=50, size=(32, 24)))
    recipe = attrs.evolve(CHARADES_TEST, size=(8, 8), short_side=8)

    def starts(seed: int, name: str) -> list[int]:
        return [clip.start for clip in sample_clips(info, recipe, seed=seed, sample=name)]

    assert starts(0, "46GP8") == starts(0, "46GP8")
    assert len({tuple(starts(seed, name)) for seed in (0, 1) for name in ("46GP8", "N11GT")}) == 4
    assert len(set(starts(0, "46GP8"))) > 1
    assert max(starts(0, "46GP8")) <= 250 - 64


def test_a_clip_has_the_frames_from_its_start(film, numbers):
    """The frames of the grid from `start` on."""
    path = film("film.mp4", 200)
    recipe = Recipe(frames=6, size=(48, 64), short_side=None, when="random", clips=8)
    for clip in sample_clips(path, recipe, seed=0, sample=0):
        assert numbers(clip.pixels) == [2 * (clip.start + k) for k in range(6)]


def test_short_videos_are_repeated(film, numbers):
    """They are repeated from the start; a random clip begins anywhere in them."""
    path = film("short.mp4", 6)
    recipe = Recipe(frames=8, size=(48, 64), short_side=None)
    (clip,) = sample_clips(path, recipe, seed=0, sample=0)
    assert numbers(clip.pixels) == [0, 2, 4, 0, 2, 4, 0, 2]
    (held,) = sample_clips(path, attrs.evolve(recipe, fill="last"), seed=0, sample=0)
    assert numbers(held.pixels) == [0, 2, 4, 4, 4, 4, 4, 4]
    anywhere = attrs.evolve(recipe, when="random", clips=20)
    clips = sample_clips(path, anywhere, seed=0, sample=0)
    assert {clip.start for clip in clips} == {0, 1, 2}
    for clip in clips:
        assert numbers(clip.pixels) == [2 * ((clip.start + k) % 3) for k in range(8)]


def test_fill_does_not_copy_long_clips():
    """The result is a view."""
    pixels = np.arange(5 * 12, dtype=np.uint8).reshape(5, 2, 2, 3)
    assert np.shares_memory(fill(pixels, 5), pixels)
    assert np.array_equal(fill(pixels, 2, 3), pixels[3:])
    assert np.array_equal(fill(pixels, 4, 3), pixels[[3, 4, 0, 1]])
    assert np.array_equal(fill(pixels, 4, 3, "last"), pixels[[3, 4, 4, 4]])


def test_damaged_videos(film):
    """They raise an error, or without `strict` give marked clips of the readable frames."""
    path = film("cut.mp4", 100, noisy=True, container={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(VideoError, match=r"truncated: \d\d of about 100 frames"):
        sample_clips(path, SMALL, seed=0, sample=0)
    many = attrs.evolve(SMALL, clips=10)
    for clip in sample_clips(path, many, seed=0, sample=0, strict=False):
        assert clip.damage == "truncated"
        assert clip.pixels.shape == (8, 32, 40, 3)


# Crops and sizes


def test_crops():
    """Fractions determine the first row and column; a fraction of 1 stays inside."""
    pixels = np.arange(2 * 6 * 9 * 3, dtype=np.uint16).reshape(2, 6, 9, 3).astype(np.uint8)
    for at, corner in [((0, 0), (0, 0)), ((0.5, 0.5), (1, 2)), ((0.999, 1), (2, 4))]:
        part, found = crop(pixels, (4, 5), at)
        assert found == corner
        assert np.array_equal(part, pixels[:, corner[0] :, corner[1] :][:, :4, :5])
    assert crop(pixels, (6, 9))[1] == (0, 0)
    with pytest.raises(ValueError, match=r"a crop of \(7, 5\) does not fit into \(6, 9\)"):
        crop(pixels, (7, 5))


def test_random_crops_reach_every_corner(city):
    """Crops reach from the first row and column to the last."""
    recipe = Recipe(frames=1, size=(46, 46), short_side=48, where="random")
    info = probe(city)
    found = {sample_clips(info, recipe, seed=0, sample=n)[0].corner for n in range(60)}
    assert {top for top, _ in found} == {0, 1, 2}
    assert min(left for _, left in found) < 5
    assert max(left for _, left in found) > 85 - 46 - 5


def test_mirroring_flips_the_pixels(city):
    """Half of the clips are mirrored left to right."""
    info = probe(city)
    mirrored = attrs.evolve(SMALL, frames=2)
    plain = attrs.evolve(mirrored, flip=False)
    flipped = 0
    for sample in range(40):
        (clip,) = sample_clips(info, mirrored, seed=0, sample=sample)
        (reference,) = sample_clips(info, plain, seed=0, sample=sample)
        expected = reference.pixels[:, :, ::-1] if clip.flipped else reference.pixels
        assert np.array_equal(clip.pixels, expected)
        assert not reference.flipped
        flipped += clip.flipped
    assert 10 <= flipped <= 30


def test_whole_frames(city):
    """Without a short side frames are not cropped, and their proportions change."""
    recipe = Recipe(frames=3, size=(60, 50), short_side=None)
    (clip,) = sample_clips(city, recipe, seed=0, sample=0)
    assert np.array_equal(
        clip.pixels, decode(city, start=23 / 12.5, frames=3, size=(60, 50)).pixels
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 0, "size": (8, 8)}, "frames"),
        ({"frames": 1, "size": (0, 8)}, "size must be at least 1 pixel"),
        ({"frames": 1, "size": (224, 224), "short_side": 128}, "short_side 128 is smaller"),
        ({"frames": 1, "size": (8, 8), "clips": 2}, "2 clips need"),
        ({"frames": 1, "size": (8, 8), "clips": 0}, "clips"),
        ({"frames": 1, "size": (8, 8), "fps": 0}, "fps"),
    ],
)
def test_impossible_recipes_are_errors(arguments, message):
    """The error is raised when the recipe is made, not during an epoch."""
    with pytest.raises(ValueError, match=message):
        Recipe(**arguments)


# Tensors


def test_tensors_are_between_zero_and_one(city):
    """Channels come first, in the range of the authors' networks; raw values are for flow."""
    (clip,) = sample_clips(city, SMALL, seed=0, sample=0)
    tensor = to_tensor(clip.pixels)
    assert tensor.shape == (1, 3, 8, 32, 40)
    assert str(tensor.dtype) == "torch.float32"
    assert tensor.is_contiguous()
    raw = to_tensor(clip.pixels, raw=True)
    assert np.array_equal(raw[0].numpy(), clip.pixels.transpose(3, 0, 1, 2))
    assert tensor.equal(raw / 255)
    ends = to_tensor(np.array([0, 255, 51], np.uint8).reshape(1, 1, 1, 3))
    assert ends.flatten().tolist() == pytest.approx([0, 1, 0.2])


def test_a_mirrored_view_becomes_a_tensor(city):
    """An array with negative strides is copied."""
    pixels = decode(city, frames=2, size=32).pixels[:, :, ::-1]
    assert to_tensor(pixels).equal(to_tensor(pixels.copy()))
