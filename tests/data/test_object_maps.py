"""Object maps: their forms and files, and that they are cut and chosen as the frames are."""

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
from numpy.typing import NDArray

import anetdsl
from anetc.data.batches.loader import named_inputs, scaled, test_batches, training_batches
from anetc.data.formats.motion.clip_drawing import draw, draw_objects
from anetc.data.formats.motion.levels import LEVELS
from anetc.data.mirrored_classes import exchange_classes
from anetc.data.object_maps.class_pictures import read_class_picture
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.torch_dataset import torch_dataset
from anetc.data.values import object_channels
from anetc.evaluation.one_video import predict_video
from anetc.video.augment import Augmentation
from anetc.video.clips import MirroredClasses, Recipe, generator
from anetc.video.object_maps import maps_for_network
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun
from tests.command_line import anetc
from tests.data.index_pictures import COLOURS, GREY, PALETTE, png, write_pictures
from tests.data.object_map_examples import write_people
from tests.data.test_same_clips import Recorder

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
    """Of nine columns, the last one is left out of frames of 4 x 4 and of their maps."""
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


# Files beside videos


@pytest.fixture
def video(add: Callable[..., Path], tmp_path: Path) -> Path:
    """A video of 26 frames, 13 on the grid of clips, whose frame n shows the number n."""
    add("data/run/a.mp4", 26)
    return tmp_path / "data"


def opened(folder: Path, options: str = "", channels: int = 26, recipe: Recipe = WHOLE) -> Any:
    spec = parse_spec(f"folder:{folder}?validation=0&test=0{options}")
    return open_data(spec, "train", recipe, flow=False, objects=channels)


def numbered(count: int, step: int = 1) -> NDArray[np.uint8]:
    """Return maps whose class is step times their number."""
    return (step * np.arange(count)).repeat(6).reshape(count, 2, 3).astype(np.uint8)


def save(folder: Path, maps: Any, name: str = "run/a", **others: Any) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.objects.npz", maps=maps, **others)


@pytest.mark.parametrize(
    ("place", "options", "count", "step", "rate"),
    [
        ("archive", "", 26, 1, None),
        ("pictures", "", 26, 1, None),
        ("archive", "", 13, 2, None),
        ("pictures", "", 13, 2, None),
        ("archive", "", 7, 4, 6.25),
        ("archive", "&objects_fps=6.25", 7, 4, None),
        ("pictures", "&objects_fps=6.25", 7, 4, None),
        ("elsewhere", "&objects=maps", 26, 1, None),
    ],
)
def test_frames_have_the_maps_of_their_time(
    video: Path,
    numbers: Callable[..., list[int]],
    place: str,
    options: str,
    count: int,
    step: int,
    rate: float | None,
) -> None:
    """Maps for each frame, at the rate of clips, and at half of it; also for repeated clips."""
    maps = numbered(count, step)
    if place == "pictures":
        write_pictures(video / "run/a.objects", maps, first=1)
    else:
        others = {} if rate is None else {"fps": rate}
        save(video / "maps" if place == "elsewhere" else video, maps, **others)
    recipes = [attrs.evolve(WHOLE, frames=f, when="random") for f in (5, 30)]
    for recipe in recipes:
        dataset = opened(video, options, recipe=recipe)
        assert len(dataset) == 1
        for seed in range(3):
            sample = dataset.sample(0, seed=seed, epoch=0)
            assert sample.objects.shape == (1, recipe.frames, 24, 32)
            shown = np.array(numbers(sample.rgb[0]))
            assert np.array_equal(sample.objects[0, :, 5, 5], shown // step * step)


@pytest.mark.parametrize(
    ("spec", "files", "name"),
    [
        (
            "list:{}?validation=0&test=0",
            {"list.csv": "path,label,start,end\nx.mp4,run,0.4,0.9\n"},
            "x.mp4",
        ),
        (
            "moments:{}",
            {"moments_categories.txt": "run,0\n", "trainingSet.csv": "run/x.mp4,run,1,0\n"},
            "training/run/x.mp4",
        ),
        (
            "charades:{}",
            {
                "Charades_v1_classes.txt": "c000 run\n",
                "Charades_v1_train.csv": "id,actions\nx,c000 0 1\n",
            },
            "Charades_v1/x.mp4",
        ),
    ],
)
def test_all_formats_of_videos_have_maps(
    tmp_path: Path,
    add: Callable[..., Path],
    numbers: Callable[..., list[int]],
    spec: str,
    files: dict[str, str],
    name: str,
) -> None:
    """The maps of a segment are those of its frames."""
    add(f"data/{name}", 26)
    for file, text in files.items():
        (tmp_path / "data" / file).write_text(text)
    data = parse_spec(spec.format(tmp_path / "data"))
    with pytest.raises(CannotRun, match=r"have no object maps, such as .*x\.objects\.npz"):
        open_data(data, "train", WHOLE, flow=False, objects=26)
    save(tmp_path / "data", numbered(26), name.removesuffix(".mp4"))
    sample = open_data(data, "train", WHOLE, flow=False, objects=26).sample(0, seed=0, epoch=0)
    assert sample.objects is not None
    assert sample.objects[0, :, 5, 5].tolist() == numbers(sample.rgb[0])


def damaged(folder: Path) -> None:
    save(folder, numbered(26))
    path = folder / "run/a.objects.npz"
    path.write_bytes(path.read_bytes()[:100])


def gap(folder: Path) -> None:
    write_pictures(folder / "run/a.objects", numbered(26))
    (folder / "run/a.objects/000004.png").unlink()


def mixed_sizes(folder: Path) -> None:
    write_pictures(folder / "run/a.objects", numbered(26))
    (folder / "run/a.objects/000012.png").write_bytes(png(np.zeros((4, 4), int)))


@pytest.mark.parametrize(
    ("prepare", "error", "message"),
    [
        (lambda _: None, CannotRun, r"have no object maps, such as .*run/a\.objects\.npz or pict"),
        (lambda f: save(f, numbered(20)), VideoError, "there are 20 maps for 26 frames (13 at"),
        (lambda f: save(f, numbered(20), fps=4), VideoError, "20 maps at 4 a second are not those"),
        (lambda f: save(f, numbered(26), fps=-1), VideoError, "`fps` must be a number above 0"),
        (lambda f: save(f, numbered(26) * 1.0), VideoError, "maps must be whole numbers"),
        (lambda f: np.savez(f / "run/a.objects.npz", x=1), VideoError, "has no array `maps`"),
        (lambda f: save(f, numbered(26) + 9), CannotRun, "hold the class 34"),
        (damaged, VideoError, "a.objects.npz: not a NumPy archive"),
        (gap, VideoError, "picture 4 is missing between 0 and 25"),
        (mixed_sizes, VideoError, "000012.png is (4, 4), other pictures are (2, 3)"),
        (lambda f: (f / "run/a.objects").mkdir(), VideoError, "no PNG pictures with numbers"),
    ],
)
def test_wrong_files_are_named(
    video: Path, prepare: Callable[[Path], Any], error: type[Exception], message: str
) -> None:
    prepare(video)
    pattern = message if "\\" in message else re.escape(message)
    with pytest.raises(error, match=pattern):
        opened(video, channels=20).sample(0, seed=0, epoch=0)


def test_wrong_options_are_named(video: Path) -> None:
    for options, message in (
        ("&objects=maps", "objects=maps: no such file"),
        ("&objects_fps=x", "objects_fps must be above 0, not x"),
    ):
        with pytest.raises(CannotRun, match=message):
            opened(video, options)


def test_videos_without_maps_are_replaced(
    video: Path, add: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """If other videos have some; videos whose maps have another form stop the reading."""
    add("data/run/b.mp4", 26)
    save(video, numbered(26))
    dataset = opened(video)
    batch = next(training_batches(dataset, batch=4, seed=0, max_failures=0.5))
    assert set(batch.names) == {"run/a.mp4"}
    assert "b.mp4: there are no object maps of it" in caplog.text
    save(video, np.zeros((26, 2, 3, 26), np.uint8), "run/b")
    with pytest.raises(CannotRun, match=r"b\.objects\.npz: object maps of other videos hold class"):
        next(training_batches(dataset, batch=4, seed=0))


def test_folders_of_maps_are_no_folders_of_videos(video: Path, add: Callable[..., Path]) -> None:
    """A film in it is not a video of the data."""
    write_pictures(video / "run/a.objects", numbered(26))
    add("data/run/a.objects/film.mp4", 26)
    assert [opened(video).name(k) for k in range(len(opened(video)))] == ["run/a.mp4"]


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


# Commands


def test_a_video_has_the_maps_of_a_data_set(video: Path) -> None:
    """`anetc run` gives a network the same inputs, also with maps that are named."""
    save(video, numbered(26) % 6)
    recipe = Recipe(frames=5, size=(16, 16), short_side=24)
    network = anetdsl.parse(NETWORK)
    (batch,) = test_batches(opened(video, channels=6, recipe=recipe), batch=1)
    expected = named_inputs(network, batch.inputs)["things"]
    (video / "run/a.objects.npz").rename(video / "b.npz")
    path = video / "run/a.mp4"
    with pytest.raises(
        CannotRun, match=r"the video has no object maps, .*name them with --objects"
    ):
        predict_video(network, Recorder(), path, recipe)
    for given in (video / "b.npz", None):
        recorder = Recorder()
        predict_video(network, recorder, path, recipe, objects=given)
        assert torch.equal(recorder.inputs[0]["things"], expected)
        (video / "run/a.objects.npz").write_bytes((video / "b.npz").read_bytes())


def test_run_reads_maps(video: Path, tmp_path: Path) -> None:
    model = tmp_path / "n.anet"
    model.write_text(NETWORK)
    run = ("run", model, "--video", video / "run/a.mp4", "--size", 24, "--frames", 5)
    assert "make them by a segmentation program" in anetc(*run).err
    write_pictures(video / "maps", numbered(6))
    assert "there are 6 maps for 26 frames" in anetc(*run, "--objects", video / "maps").err
    done = anetc(*run, "--objects", video / "maps", "--objects-fps", 6.25)
    assert (done.code, "a.mp4: 5 frames of 24 x 24" in done.out) == (0, True), done.err


def test_a_check_reads_all_maps(tmp_path: Path) -> None:
    """docs/data.md shows the output with a network; here the other findings follow."""
    folder = tmp_path / "people"
    write_people(folder)
    check = ("data", "check", folder, "--frames", 8, "--size", 24, "--workers", 1)
    lonely = "4.mp4: there are no object maps of it, 4.objects.npz or pictures in 4.objects"
    done = anetc(*check)
    assert done.out.startswith(
        "4 videos checked; 1 finding\nobject maps of 3 videos: classes 0 to 20"
    )
    assert f"objects: 1\n  validation/run/{lonely}\n" in done.out
    save(folder, numbered(9), "validation/run/4")
    save(folder, np.zeros((12, 2, 3, 16), np.uint8), "train/walk/2")
    list_path = tmp_path / "quarantine.txt"
    model = "examples/small_assemblenet_plus.anet"
    done = anetc(*check, "--network", model, "--quarantine", list_path)
    assert "2.mp4: its object maps are scores, those of the first video classes" in done.out
    assert "there are 9 maps for 24 frames (12 at 12.5 a second)" in done.out
    assert [line.split("\t")[0] for line in list_path.read_text().splitlines()[1:]] == [
        "train/walk/2.mp4",
        "validation/run/4.mp4",
    ]
    for path in folder.rglob("*.objects.npz"):
        path.unlink()
    assert anetc("data", "info", folder).out.endswith(
        "\nObject maps: 1 of 4 videos; none for train/run/1.mp4 and 2 more.\n"
    )
    quick = anetc(*check, "--quick").out
    assert "object maps of 1 video\n" in quick
