"""Object maps in files beside videos, and the commands that read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import anetdsl
from anetc.data.batches.loader import named_inputs, test_batches, training_batches
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.evaluation.one_video import predict_video
from anetc.video.clips import Recipe
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun
from tests.command_line import anetc
from tests.data.index_pictures import png, write_pictures
from tests.data.object_map_examples import write_people
from tests.data.test_object_maps import NETWORK, WHOLE
from tests.data.test_same_clips import Recorder

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
