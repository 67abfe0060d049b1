"""Flow that is computed once: the same numbers, for every clip, whatever happened to the files."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from anetc.data.formats.videos import flow_folder
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.upkeep.flow_cache import FRAMES_AT_ONCE, flow_of, make_flow
from anetc.data.upkeep.flow_files import FlowKey
from anetc.video.clips import Recipe, sample_clips
from anetc.video.decode import decode, probe
from anetc.video.flow.clip_flow import clip_flow
from anetc.video.flow.fields import fill_flow, in_units, mirrored, quantised, whole_flow

RECIPE = Recipe(
    frames=5, size=(16, 16), short_side=24, when="random", where="random", flip=True, clips=4
)
EVERY_WAY = [
    RECIPE,
    attrs.evolve(RECIPE, frames=1),
    attrs.evolve(RECIPE, frames=13),
    attrs.evolve(RECIPE, frames=20),
    attrs.evolve(RECIPE, frames=20, fill="last"),
    attrs.evolve(RECIPE, where="centre", when="even", flip=False),
    attrs.evolve(RECIPE, frames=3, fps=6.0),
    Recipe(frames=4, size=(12, 20), short_side=None),
]


def opened(folder: Path, recipe: Recipe = RECIPE, options: str = "") -> Any:
    return open_data(parse_spec(f"folder:{folder}{options}"), "train", recipe, flow=True)


def stored(folder: Path, recipe: Recipe = RECIPE, options: str = "") -> Any:
    return flow_folder(parse_spec(f"folder:{folder}{options}"), folder, FlowKey.of(recipe))


def make(folder: Path, recipe: Recipe = RECIPE, workers: int = 1) -> list[str]:
    data = opened(folder, recipe)
    paths = [data.name(index) for index in range(len(data))]
    made = list(make_flow(folder, stored(folder, recipe), paths, workers))
    assert [m.path for m in made] == paths
    return [m.outcome for m in made]


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, computing flow fails."""

    def never(pixels: Any) -> Any:
        raise AssertionError("flow is computed")

    return lambda: monkeypatch.setattr("anetc.data.formats.videos.whole_flow", never)


@pytest.mark.parametrize("recipe", EVERY_WAY, ids=range(len(EVERY_WAY)))
def test_from_the_cache_and_on_the_fly_to_the_last_bit(
    folder: Path, recipe: Recipe, forbidden: Callable[[], None]
) -> None:
    """Cropped, mirrored, repeated, held, at another rate, of whole pictures."""
    expected = [opened(folder, recipe).sample(n, seed=1, epoch=2) for n in range(3)]
    assert make(folder, recipe) == ["made"] * 4
    forbidden()
    data = opened(folder, recipe)
    for index, sample in enumerate(expected):
        found = data.sample(index, seed=1, epoch=2)
        assert np.array_equal(found.flow, sample.flow)
        assert np.array_equal(found.rgb, sample.rgb)
    assert np.abs(np.stack([s.flow for s in expected])).max() > 0 or recipe.frames == 1


def test_a_long_video_is_computed_in_parts(add: Callable[..., Path]) -> None:
    """To the fields that it has as a whole."""
    frames = FRAMES_AT_ONCE + 5
    path = add("long.mp4", 2 * frames, size=(16, 16), noisy=True)
    info = probe(path)
    key = FlowKey(12.5, 16)
    fields = flow_of(info, key)
    assert len(fields) == frames
    assert np.array_equal(fields, whole_flow(decode(info, size=16).pixels))


def test_the_flow_of_a_clip_is_that_of_whole_frames(folder: Path) -> None:
    """Cropped, then mirrored with u negated; its last field repeats the one before."""
    path = folder / "train/run/1.mp4"
    whole = decode(path, size=24).pixels
    flows = clip_flow(torch.from_numpy(whole.transpose(3, 0, 1, 2).copy())[None])
    fields = quantised(flows)[0]
    sides = set()
    for seed in range(3):
        for clip in sample_clips(path, RECIPE, seed=seed, sample=0, flow=whole_flow):
            top, left = clip.corner
            expected = fields[clip.start : clip.start + 5, top : top + 16, left : left + 16].copy()
            expected[-1] = expected[-2]
            if clip.flipped:
                expected = expected[:, :, ::-1] * np.array([-1, 1], np.int8)
            assert np.array_equal(clip.flow, expected)
            sides.add(clip.flipped)
    assert sides == {True, False}


def test_bytes_are_close_to_the_flow(folder: Path) -> None:
    """Within half a step of 20 / 127 px."""
    pixels = decode(folder / "train/run/1.mp4", frames=4, size=24).pixels
    exact = clip_flow(torch.from_numpy(pixels.transpose(3, 0, 1, 2).copy())[None])[0]
    found = in_units(whole_flow(pixels))
    assert np.abs(found - exact.permute(1, 2, 3, 0).numpy()).max() <= 0.5 / 127 + 1e-6


def test_filling() -> None:
    """No motion from a video's end to its start; what is held or alone does not move."""
    fields = np.arange(1, 5, dtype=np.int8).reshape(4, 1, 1, 1).repeat(2, -1)
    fields[-1] = fields[-2]

    def filled(frames: int, start: int, how: Any = "loop") -> list[int]:
        return fill_flow(fields, frames, start, how)[:, 0, 0, 0].tolist()

    assert filled(4, 0) == [1, 2, 3, 3]
    assert filled(2, 1) == [2, 2]
    assert filled(1, 1) == [0]
    assert filled(6, 2) == [3, 3, 1, 2, 3, 3]
    assert filled(6, 0, "last") == [1, 2, 3, 0, 0, 0]
    assert fields[:, 0, 0, 0].tolist() == [1, 2, 3, 3]
    extreme = np.array([[[[127, 5], [-127, 6]]]], np.int8)
    assert mirrored(extreme).tolist() == [[[[127, 6], [-127, 5]]]]


# Files


def test_what_is_there_is_left_alone(folder: Path) -> None:
    assert make(folder) == ["made"] * 4
    files = {path: path.read_bytes() for path in stored(folder).place.rglob("*.npz")}
    stamps = {path: path.stat().st_mtime_ns for path in files}
    assert make(folder) == ["there"] * 4
    assert {path: path.stat().st_mtime_ns for path in files} == stamps
    next(iter(files)).unlink()
    assert sorted(make(folder)) == ["made", "there", "there", "there"]
    assert {path: path.read_bytes() for path in files} == files


def test_the_same_files_from_several_processes(folder: Path) -> None:
    make(folder)
    place = stored(folder).place
    alone = {path: path.read_bytes() for path in place.rglob("*.npz")}
    for path in alone:
        path.unlink()
    assert make(folder, workers=2) == ["made"] * 4
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == alone


def test_a_video_that_has_changed_is_computed_anew(folder: Path) -> None:
    make(folder)
    (folder / "train/jump/2.mp4").replace(folder / "train/jump/1.mp4")
    data = opened(folder)
    assert len(data) == 3
    found = data.sample(0, seed=0, epoch=0)
    fresh = opened(folder, options="?flow=elsewhere").sample(0, seed=0, epoch=0)
    assert np.array_equal(found.flow, fresh.flow)
    assert make(folder) == ["made", "there", "there"]


@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.97, "middle", "text", "about", "shape"])
def test_a_damaged_file_costs_time_only(
    folder: Path, cut: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The numbers are the same, the log says so, and the file is mended when asked for."""
    expected = opened(folder).sample(0, seed=0, epoch=0)
    make(folder)
    path = stored(folder).path_of("train/jump/1.mp4")
    data = path.read_bytes()
    if isinstance(cut, str):
        damage(path, cut)
    else:
        path.write_bytes(data[: cut if isinstance(cut, int) else int(cut * len(data))])
    with caplog.at_level(logging.WARNING, "anetc.data"):
        found = opened(folder, attrs.evolve(RECIPE, clips=4)).sample(0, seed=0, epoch=0)
    assert np.array_equal(found.flow, expected.flow)
    assert "`anetc data flow` mends it" in caplog.text
    if cut != "middle":  # only its end is looked at
        assert make(folder) == ["made", "there", "there", "there"]
        assert path.read_bytes() == data


def damage(path: Path, how: str) -> None:
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
        places = {info.filename: info.header_offset for info in archive.infolist()}
    if how == "middle":
        data = bytearray(path.read_bytes())
        for name, place in places.items():
            if name != "about.json":
                data[place + 60] ^= 0xFF
        path.write_bytes(data)
        return
    if how == "text":
        path.write_text("no archive")
        return
    about = json.loads(held["about.json"])
    about["shape"] = None if how == "about" else [about["shape"][0], 5, 5]
    held["about.json"] = json.dumps(about).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, content)


def test_numpy_reads_the_files(folder: Path) -> None:
    """As docs/data.md says."""
    make(folder)
    place = stored(folder)
    with np.load(place.path_of("train/run/1.mp4")) as archive:
        about = json.loads(archive["about.json"])
        assert archive["000003"].shape == (2, *about["shape"][1:])
        assert archive["000003"].dtype == np.int8
        assert about["parameters"] == json.loads(json.dumps(place.key.parameters()))
    assert place.place.name.startswith("24-12.5fps-")
    names = {FlowKey(*key).name for key in [(12.5, 24), (12.5, 25), (6.0, 24), (12.5, (24, 32))]}
    assert len(names) == 4


def test_files_stay_within_the_place(folder: Path) -> None:
    """Wherever videos lie."""
    place = stored(folder)
    for name, expected in [("a/b.mp4", "a/b.mp4"), ("/a/b.mp4", "a/b.mp4"), ("../b", "up/b")]:
        assert place.path_of(name) == place.place / f"{expected}.npz"


def test_the_log_says_how_to_compute_flow_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened(folder)
    expected = f"`anetc data flow folder:{folder} --short-side 24 --fps 12.5` computes it once"
    assert expected in caplog.text
    caplog.clear()
    make(folder)
    caplog.clear()
    opened(folder)
    assert "computes it once" not in caplog.text


def test_another_place(folder: Path, tmp_path: Path, forbidden: Callable[[], None]) -> None:
    """For data that one may not write to."""
    options = f"?flow={tmp_path / 'kept here'}"
    place = stored(folder, options=options)
    paths = ["train/jump/1.mp4"]
    assert [m.outcome for m in make_flow(folder, place, paths, 1)] == ["made"]
    assert not (folder / ".flow").exists()
    forbidden()
    assert opened(folder, options=options).sample(0, seed=0, epoch=0).flow is not None
