"""Object maps: their forms, and that they are cut and chosen as the frames are."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

import anetdsl
from anetc.data.batches.loader import named_inputs, scaled, training_batches
from anetc.data.formats.motion.clip_drawing import draw, draw_objects
from anetc.data.formats.motion.levels import LEVELS
from anetc.data.mirrored_classes import exchange_classes
from anetc.data.object_maps.class_pictures import read_class_picture
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.torch_dataset import torch_dataset
from anetc.data.values import object_channels
from anetc.video.augment import Augmentation
from anetc.video.clips import MirroredClasses, Recipe, generator
from anetc.video.object_maps import maps_for_network
from anetdsl.errors import CannotRun
from tests.data.index_pictures import COLOURS, GREY, PALETTE, png

NETWORK = """anet 1
network n
input rgb channels=3
input things channels=6 kind=object
node s0 level=0 C=2 r=1 stride=4 inputs=[rgb]
node s1 level=0 stride=4 inputs=[things]
node n2 level=1 C=2 r=1 stride=1 inputs=[s0, s1]
sink inputs=[n2] classes=3
"""
WHOLE = Recipe(frames=5, size=(24, 32), short_side=None)


# Forms


@pytest.mark.parametrize(
    ("stored", "channels", "expected"),
    [
        (np.array([[[0, 5, 255]]], np.uint8), 6, np.array([[[0, 5, 255]]], np.uint8)),
        (np.array([[[0, 5, 255]]], np.uint8), 300, np.array([[[0, 5, -1]]], np.int16)),
        (np.array([[[0, 5, -1]]], np.int64), 255, np.array([[[0, 5, 255]]], np.uint8)),
        (np.array([[[254, -1]]], np.int16), 255, np.array([[[254, 255]]], np.uint8)),
        (np.array([[[299, 65535]]], np.uint16), 300, np.array([[[299, -1]]], np.int16)),
        (np.array([[[False, True]]]), 2, np.array([[[0, 1]]], np.uint8)),
        (np.array([[[255, 255]]], np.uint8), 1, np.array([[[255, 255]]], np.uint8)),
        (np.array([[[[0, 255, 7]]]], np.uint8), 3, np.array([[[[0, 255, 7]]]], np.uint8)),
    ],
)
def test_forms_of_samples(stored: Any, channels: int, expected: Any) -> None:
    found = maps_for_network(stored, channels, "x")
    assert (found.dtype, found.tolist()) == (expected.dtype, expected.tolist())


@pytest.mark.parametrize(
    ("stored", "error", "message"),
    [
        (np.zeros((1, 2)), ValueError, "they are float64 (1, 2)"),
        (np.zeros((1, 2, 2), np.float32), ValueError, "they are float32"),
        (np.zeros((0, 2, 2), np.uint8), ValueError, "they are uint8 (0, 2, 2)"),
        (np.zeros((1, 2, 2, 3), np.int16), ValueError, "they are int16"),
        (np.full((1, 1, 1), -2), ValueError, "hold the class -2"),
        (np.full((1, 1, 1), 6), CannotRun, "x: the object maps hold the class 6, but the object "),
        (np.full((1, 1, 1), 6), CannotRun, "for the classes 0 to 5; write channels=7 (or more)"),
        (np.zeros((1, 1, 1, 5), np.uint8), CannotRun, "scores of 5 classes"),
    ],
)
def test_wrong_maps_are_named(stored: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        maps_for_network(stored, 6, "x")


@pytest.mark.parametrize(
    ("kind", "bits"), [(GREY, b) for b in (1, 2, 4, 8, 16)] + [(PALETTE, b) for b in (1, 2, 4, 8)]
)
def test_pictures_hold_classes(tmp_path: Path, kind: int, bits: int) -> None:
    classes = np.random.default_rng(0).integers(0, 2**bits, (5, 11))
    classes[0, :2] = 0, 2**bits - 1
    (tmp_path / "x.png").write_bytes(png(classes, bits, kind))
    assert np.array_equal(read_class_picture(tmp_path / "x.png"), classes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(np.zeros((2, 2, 3), int), 8, COLOURS), "a picture in colours; write the number"),
        (b"GIF89a", "not a PNG picture"),
        (png(np.eye(20, dtype=int))[:60], "x.png"),
        (None, "cannot be read: No such file"),
    ],
)
def test_other_pictures_are_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_class_picture(tmp_path / "x.png")


# Archives


def archive(folder: Path, objects: Any, **others: Any) -> str:
    """Write three clips of six grey frames, 8 x 12, whose grey values are 8 times their classes."""
    x = np.random.default_rng(0).integers(0, 31, (3, 6, 8, 12), np.uint8)
    arrays = {"x": 8 * x, "y": np.arange(3), "objects": objects(x), **others}
    np.savez(folder / "x.npz", **{name: a for name, a in arrays.items() if a is not None})
    return f"arrays:{folder / 'x.npz'}"


def samples(data: str, recipe: Recipe, channels: int = 31) -> list[Any]:
    dataset = open_data(parse_spec(data), "train", recipe, flow=False, objects=channels)
    return [dataset.sample(k, seed=s, epoch=1) for k in range(len(dataset)) for s in range(4)]


RANDOM = Recipe(
    frames=3, size=(5, 7), short_side=8, when="random", where="random", flip=True, clips=6
)
LONG = Recipe(frames=9, size=(8, 12), short_side=None, when="random")


@pytest.mark.parametrize("recipe", [RANDOM, LONG, attrs.evolve(LONG, fill="last")])
@pytest.mark.parametrize("form", ["classes", "larger", "scores"])
def test_maps_are_cut_as_the_frames(tmp_path: Path, recipe: Recipe, form: str) -> None:
    """The same crop, mirroring, start and repetition; maps of another size have nearest pixels."""
    make: dict[str, Callable[[Any], Any]] = {
        "classes": lambda x: x,
        "larger": lambda x: x.repeat(3, 2).repeat(2, 3),
        "scores": lambda x: np.stack((x, 8 * x), -1),
    }
    data = archive(tmp_path, make[form])
    found = samples(data, recipe, 2 if form == "scores" else 31)
    for sample in found:
        expected = sample.rgb[..., 0] // 8
        if form == "scores":
            assert np.array_equal(sample.objects[..., 1], 8 * expected)
            assert np.array_equal(sample.objects[..., 0], expected)
        else:
            assert np.array_equal(sample.objects, expected)
    if recipe.flip:
        assert {flag for sample in found for flag in sample.flipped} == {False, True}


def test_maps_follow_a_random_resized_crop_and_blocks(tmp_path: Path) -> None:
    """Frames that rise to the right by 10 a column, in maps of any size."""

    def rising(size: tuple[int, int]) -> Any:
        row = (np.arange(size[1]) * 24) // size[1]
        return np.broadcast_to(row, (3, 6, *size)).astype(np.uint8)

    augment = Augmentation(crop_area=(0.2, 1))
    for size in ((8, 24), (16, 48), (3, 24)):
        data = archive(tmp_path, lambda _, size=size: rising(size), x=10 * rising((8, 24)))
        random_crops = attrs.evolve(RANDOM, short_side=8, augment=augment)
        blocks = Recipe(frames=6, size=(4, 12), short_side=None)
        for recipe in (random_crops, blocks):
            for sample in samples(data, recipe):
                difference = sample.rgb[..., 0] / 10 - sample.objects
                assert np.abs(difference).max() < 1.6
                # The middle of an even number of columns is that of none of them.
                assert abs(difference.mean()) <= 0.5


def test_rows_that_make_no_whole_block_have_no_maps(tmp_path: Path) -> None:
    """The last of nine columns is left out of frames of 4 x 4 and of their maps."""
    x = np.broadcast_to(np.arange(9, dtype=np.uint8) // 2, (3, 6, 8, 9))
    data = archive(tmp_path, lambda _: x.repeat(2, 3), x=8 * x)
    for sample in samples(data, Recipe(frames=6, size=(4, 4), short_side=4)):
        assert np.array_equal(sample.objects, sample.rgb[..., 0] // 8)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (lambda _: None, "the archive has no array `objects` (N, T, H, W)"),
        (lambda x: x[:2], "objects must have 3 clips of 6 maps"),
        (lambda x: x.astype(float), "maps must be whole numbers"),
        (
            lambda x: x + 10,
            "hold the class 40, but the object input of the network has 31 channels",
        ),
    ],
)
def test_wrong_archives_are_named(tmp_path: Path, objects: Any, message: str) -> None:
    with pytest.raises(CannotRun, match=re.escape(message)):
        samples(archive(tmp_path, objects), LONG)


def test_maps_are_mirrored_back_with_their_clip(tmp_path: Path) -> None:
    """A clip of a class without a partner is not mirrored, nor are its maps."""
    classes = np.array(["go left", "go right", "turn left"])
    spec = parse_spec(archive(tmp_path, lambda x: x, classes=classes))
    recipe = attrs.evolve(LONG, flip=True)
    inner = open_data(spec, "train", recipe, flow=False, objects=31)
    data = exchange_classes(inner, MirroredClasses(("left", "right")))
    for seed in range(6):
        sample = data.sample(2, seed=seed, epoch=0)
        assert sample.flipped == (False,)
        assert np.array_equal(sample.objects, sample.rgb[..., 0] // 8)  # type: ignore[arg-type]


# Batches


def test_batches_hold_classes_until_they_are_inputs(tmp_path: Path) -> None:
    """One-hot channels are the same from plain and compact batches."""
    network = anetdsl.parse(NETWORK)
    assert object_channels(network) == 6
    data = parse_spec(archive(tmp_path, lambda x: np.where(x < 6, x, 255)))
    dataset = open_data(data, "train", LONG, flow=False, objects=6)
    batches = [
        next(training_batches(dataset, batch=3, seed=0, compact=compact))
        for compact in (False, True)
    ]
    classes = batches[0].inputs["object"]
    assert (classes.dtype, classes.shape) == (torch.uint8, (3, 9, 8, 12))
    for batch in batches:
        inputs = named_inputs(network, scaled(batch.inputs))
        assert torch.equal(batch.inputs["object"], classes)
        assert inputs["things"].dtype == torch.float32
        expected = torch.nn.functional.one_hot(classes.long(), 256)[..., :6].movedim(-1, 1)
        assert torch.equal(inputs["things"], expected.float())


def test_scores_become_fractions(tmp_path: Path) -> None:
    data = archive(tmp_path, lambda x: np.stack([x] * 6, -1))
    dataset = open_data(parse_spec(data), "train", LONG, flow=False, objects=6)
    for compact in (False, True):
        (batch,) = islice(training_batches(dataset, batch=2, seed=0, compact=compact), 1)
        scores = named_inputs(anetdsl.parse(NETWORK), scaled(batch.inputs))["things"]
        assert scores.shape == (2, 6, 9, 8, 12)
        expected = scaled({"rgb": batch.inputs["rgb"]})["rgb"][:, :1] / 8
        assert torch.allclose(scores, expected.expand_as(scores), atol=1e-6)


def test_maps_for_your_own_training_loop(tmp_path: Path) -> None:
    data = archive(tmp_path, lambda x: x % 6)
    clips = {"frames": 6, "size": (8, 12)}
    by_network = torch_dataset(data, "train", network=anetdsl.parse(NETWORK), **clips)[1][0]
    alone = torch_dataset(data, "train", objects=6, **clips)[1][0]
    assert {name: x.shape for name, x in alone.items()} == {
        "rgb": (3, 6, 8, 12),
        "object": (6, 6, 8, 12),
    }
    assert torch.equal(by_network["things"], alone["object"])
    assert torch.equal(alone["object"].sum(0), torch.ones(6, 8, 12))
    assert set(torch_dataset(data, "train", **clips)[1][0]) == {"rgb"}
    with pytest.raises(CannotRun, match="`objects` must be 6"):
        torch_dataset(data, "train", network=anetdsl.parse(NETWORK), objects=5)


@pytest.mark.parametrize("channels", [1, 2, 3, 16])
def test_rgb_never_takes_the_place_of_maps(channels: int) -> None:
    """With 3 channels, a map has the shape of RGB."""
    network = anetdsl.parse(NETWORK.replace("channels=6", f"channels={channels}"))
    rgb = torch.zeros(1, 3, 1, 8, 8)
    with pytest.raises(CannotRun, match="input `things` of kind `object`: the clips have no obj"):
        named_inputs(network, {"rgb": rgb})
    with pytest.raises(CannotRun, match=rf"has {channels} channels, but the object maps have 4"):
        named_inputs(network, {"rgb": rgb, "object": torch.zeros(1, 4, 1, 8, 8)})


def test_two_object_inputs_have_the_same_maps() -> None:
    two = NETWORK.replace("node s0", "input more channels=4 kind=object\nnode s0").replace(
        "node n2 level=1 C=2 r=1 stride=1 inputs=[s0, s1]",
        "node s3 level=0 stride=4 inputs=[more]\n"
        "node n2 level=1 C=2 r=1 stride=1 inputs=[s0, s1, s3]",
    )
    with pytest.raises(CannotRun, match="`things` and `more` have 6 and 4 channels"):
        object_channels(anetdsl.parse(two))


# Formats


@pytest.mark.parametrize("level", LEVELS)
def test_maps_of_motion_show_the_digits(level: int) -> None:
    """The class is 1 + the digit where the digit is bright; the clip is that without maps."""
    shown = LEVELS[level]
    for label in range(0, len(shown.classes), 7):
        rng = [generator(3, 0, label) for _ in range(2)]
        clip, maps = (
            draw(shown, "train", label, rng[0]),
            draw_objects(shown, "train", label, rng[1]),
        )
        assert maps.shape == clip.shape[:3]
        found = set(np.unique(maps).tolist())
        digit = 1 + shown.classes[label][0]
        assert {0, digit} <= found
        assert len(found) == 2 + shown.distractors
        light = clip.astype(int).mean(-1)
        assert light[maps == digit].mean() > light[maps == 0].mean() + 40


def test_motion_has_maps_with_its_option() -> None:
    recipe = Recipe(frames=16, size=(32, 32), short_side=None)
    spec = parse_spec("motion:clips=12,objects=1")
    data, plain = (
        open_data(spec, "train", recipe, flow=False, objects=k).sample(3, seed=0, epoch=0)
        for k in (16, None)
    )
    assert plain.objects is None
    assert np.array_equal(data.rgb, plain.rgb)
    assert set(np.unique(data.objects).tolist()) == {0, 1}  # type: ignore[arg-type]
    with pytest.raises(CannotRun, match="no object maps without the option objects=1"):
        open_data(parse_spec("motion:clips=12"), "train", recipe, flow=False, objects=16)
    with pytest.raises(CannotRun, match=r"hold the class 8.*write channels=9"):
        open_data(spec, "train", recipe, flow=False, objects=4)


def test_other_formats_have_no_maps() -> None:
    with pytest.raises(CannotRun, match="the format utd-mhad has no object maps"):
        open_data(parse_spec("utd-mhad:x"), "train", LONG, flow=False, objects=4)
