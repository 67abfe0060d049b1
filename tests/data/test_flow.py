"""Cached flow equals computed flow for every clip, also if cache files are damaged."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from anetc.data.formats.video_dataset import flow_folder
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.upkeep import flow_cache
from anetc.data.upkeep.flow_cache import FRAMES_AT_ONCE, compute_flow, video_flow
from anetc.data.upkeep.flow_files import FlowKey
from anetc.video.clips import Recipe, sample_clips
from anetc.video.decode import decode, probe
from anetc.video.flow.clip_flow import clip_flow
from anetc.video.flow.fields import dequantise, fill_flow, mirror_flow, quantise, whole_flow
from anetdsl.errors import CannotRun
from anetdsl.locks import locked

RECIPE = Recipe(
    frames=5, size=(16, 16), short_side=24, when="random", where="random", flip=True, clips=4
)
RECIPES = [
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
    outcomes = list(compute_flow(folder, stored(folder, recipe), paths, workers))
    assert [o.path for o in outcomes] == paths
    return [o.outcome for o in outcomes]


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function after whose call computing flow fails."""

    def never(pixels: Any) -> Any:
        raise AssertionError("flow is computed")

    return lambda: monkeypatch.setattr("anetc.data.formats.video_dataset.whole_flow", never)


@pytest.mark.parametrize("recipe", RECIPES, ids=range(len(RECIPES)))
def test_cached_and_computed_flow_are_bit_identical(
    folder: Path, recipe: Recipe, forbidden: Callable[[], None]
) -> None:
    """Cropped, mirrored, repeated, held, at another rate, and of whole frames."""
    expected = [opened(folder, recipe).sample(n, seed=1, epoch=2) for n in range(3)]
    assert make(folder, recipe) == ["computed"] * 4
    forbidden()
    data = opened(folder, recipe)
    for index, sample in enumerate(expected):
        found = data.sample(index, seed=1, epoch=2)
        assert np.array_equal(found.flow, sample.flow)
        assert np.array_equal(found.rgb, sample.rgb)
    assert np.abs(np.stack([s.flow for s in expected])).max() > 0 or recipe.frames == 1


def test_a_long_video_is_computed_in_parts(add: Callable[..., Path]) -> None:
    """The fields equal those of the whole video."""
    frames = FRAMES_AT_ONCE + 5
    path = add("long.mp4", 2 * frames, size=(16, 16), noisy=True)
    info = probe(path)
    key = FlowKey(12.5, 16)
    fields = video_flow(info, key)
    assert len(fields) == frames
    assert np.array_equal(fields, whole_flow(decode(info, size=16).pixels))


def test_the_flow_of_a_clip_is_cut_from_the_flow_of_whole_frames(folder: Path) -> None:
    """It is cropped, then mirrored with u negated; its last field repeats the one before."""
    path = folder / "train/run/1.mp4"
    whole = decode(path, size=24).pixels
    flows = clip_flow(torch.from_numpy(whole.transpose(3, 0, 1, 2).copy())[None])
    fields = quantise(flows)[0]
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


def test_quantised_flow_is_close_to_the_flow(folder: Path) -> None:
    """Within half a step of 20 / 127 px."""
    pixels = decode(folder / "train/run/1.mp4", frames=4, size=24).pixels
    exact = clip_flow(torch.from_numpy(pixels.transpose(3, 0, 1, 2).copy())[None])[0]
    found = dequantise(whole_flow(pixels))
    assert np.abs(found - exact.permute(1, 2, 3, 0).numpy()).max() <= 0.5 / 127 + 1e-6


def test_filling() -> None:
    """No motion from a video's end to its start; held frames and a single frame have no motion."""
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
    assert mirror_flow(extreme).tolist() == [[[[127, 6], [-127, 5]]]]


# Files


def test_cached_files_are_kept(folder: Path) -> None:
    assert make(folder) == ["computed"] * 4
    files = {path: path.read_bytes() for path in stored(folder).path.rglob("*.npz")}
    stamps = {path: path.stat().st_mtime_ns for path in files}
    assert make(folder) == ["cached"] * 4
    assert {path: path.stat().st_mtime_ns for path in files} == stamps
    next(iter(files)).unlink()
    assert sorted(make(folder)) == ["cached", "cached", "cached", "computed"]
    assert {path: path.read_bytes() for path in files} == files


def test_several_processes_write_the_same_files(folder: Path) -> None:
    make(folder)
    cache = stored(folder).path
    alone = {path: path.read_bytes() for path in cache.rglob("*.npz")}
    for path in alone:
        path.unlink()
    assert make(folder, workers=2) == ["computed"] * 4
    assert {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()} == alone


def test_a_changed_video_is_computed_again(folder: Path) -> None:
    make(folder)
    (folder / "train/jump/2.mp4").replace(folder / "train/jump/1.mp4")
    data = opened(folder)
    assert len(data) == 3
    found = data.sample(0, seed=0, epoch=0)
    fresh = opened(folder, options="?flow=elsewhere").sample(0, seed=0, epoch=0)
    assert np.array_equal(found.flow, fresh.flow)
    assert make(folder) == ["computed", "cached", "cached"]


@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.97, "middle", "text", "about", "shape"])
def test_damaged_flow_is_computed_again(
    folder: Path, cut: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The numbers are the same, the log names the file, and `make` writes it again."""
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
    assert "`anetc data flow` writes the file again" in caplog.text
    if cut != "middle":  # only the end is checked
        assert make(folder) == ["computed", "cached", "cached", "cached"]
        assert path.read_bytes() == data


def damage(path: Path, how: str) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        offsets = {info.filename: info.header_offset for info in archive.infolist()}
    if how == "middle":
        data = bytearray(path.read_bytes())
        for name, offset in offsets.items():
            if name != "about.json":
                data[offset + 60] ^= 0xFF
        path.write_bytes(data)
        return
    if how == "text":
        path.write_text("not an archive")
        return
    about = json.loads(members["about.json"])
    about["shape"] = None if how == "about" else [about["shape"][0], 5, 5]
    members["about.json"] = json.dumps(about).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_numpy_can_read_the_files(folder: Path) -> None:
    """As described in docs/data.md."""
    make(folder)
    cache = stored(folder)
    with np.load(cache.path_of("train/run/1.mp4")) as archive:
        about = json.loads(archive["about.json"])
        assert archive["000003"].shape == (2, *about["shape"][1:])
        assert archive["000003"].dtype == np.int8
        assert about["parameters"] == json.loads(json.dumps(cache.key.parameters()))
    assert cache.path.name.startswith("24-12.5fps-")
    names = {FlowKey(*key).name for key in [(12.5, 24), (12.5, 25), (6.0, 24), (12.5, (24, 32))]}
    assert len(names) == 4


def test_files_stay_within_the_cache(folder: Path) -> None:
    """Also for videos outside of the data set's folder."""
    cache = stored(folder)
    for name, expected in [("a/b.mp4", "a/b.mp4"), ("/a/b.mp4", "a/b.mp4"), ("../b", "up/b")]:
        assert cache.path_of(name) == cache.path / f"{expected}.npz"


def test_long_names_are_cut_and_hashed(folder: Path, tmp_path: Path) -> None:
    """A name may have 255 bytes, as may be reached by 83 Chinese characters and .mp4."""
    source = folder / "train/run/1.mp4"
    long = [
        f"train/run/{'外國老婆不好搞' * 11 + last}.mp4" for last in ("外國老婆不好", "外國老婆不壞")
    ]
    deep = "/".join(["d" * 250] * 16)
    for name in long:
        (folder / name).write_bytes(source.read_bytes())
    cache = stored(folder)
    outcomes = compute_flow(folder, cache, long, 1)
    assert [(o.outcome, o.reason) for o in outcomes] == [("computed", "")] * 2
    files = [cache.path_of(name) for name in long]
    assert len(set(files)) == 2
    for name, path in zip(long, files, strict=True):
        assert len(os.fsencode(path.name)) <= 255
        assert path.name.startswith("外國老婆")
        assert cache.find(name, probe(folder / name)) is not None
    assert cache.path_of(f"{deep}/{'f' * 250}.mp4").parent == cache.path
    assert not cache.path_of(f"{deep}/{'f' * 250}.mp4").is_file()


@pytest.mark.parametrize("workers", [1, 2])
def test_one_video_does_not_stop_the_others(folder: Path, workers: int) -> None:
    cache = stored(folder)
    cache.path_of("train/jump/2.mp4").mkdir(parents=True)
    (folder / "train/run/1.mp4").write_bytes(b"no video")
    paths = ["train/jump/1.mp4", "train/jump/2.mp4", "train/run/1.mp4", "train/run/2.mp4"]
    outcomes = list(compute_flow(folder, cache, paths, workers))
    assert [o.outcome for o in outcomes] == ["computed", "failed", "failed", "computed"]
    assert outcomes[1].reason.endswith("train/jump/2.mp4.npz: is a folder")


def test_a_full_disk_stops_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No unfinished file is left."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cache = stored(folder)
    monkeypatch.setattr("anetc.data.upkeep.flow_files._put", full)
    with pytest.raises(CannotRun, match=r"1\.mp4\.npz: cannot be written: No space left"):
        list(compute_flow(folder, cache, ["train/run/1.mp4", "train/run/2.mp4"], 1))
    assert not [path for path in (folder / ".flow").rglob("*") if path.is_file()]


def test_a_second_process_waits_for_the_first(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It finds the flow that the first one has computed; unfinished files are removed."""
    cache = stored(folder)
    paths = ["train/run/1.mp4"]
    list(compute_flow(folder, cache, paths, 1))
    part = cache.path / "train" / ".anetc-0.part"
    part.touch()
    found: list[str] = []
    second = threading.Thread(
        target=lambda: found.extend(o.outcome for o in compute_flow(folder, cache, paths, 1))
    )
    with locked(cache.lock):
        second.start()
        while "computes this flow; waiting" not in caplog.text:
            time.sleep(0.01)
        assert (found, part.exists()) == ([], True)
    second.join()
    assert (found, part.exists()) == (["cached"], False)
    assert not cache.lock.exists()


def test_a_warning_names_the_command_that_computes_flow_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened(folder)
    expected = f"`anetc data flow folder:{folder} --short-side 24` computes it once"
    assert expected in caplog.text
    caplog.clear()
    make(folder)
    caplog.clear()
    opened(folder)
    assert "computes it once" not in caplog.text


def test_the_cache_may_be_in_another_folder(
    folder: Path, tmp_path: Path, forbidden: Callable[[], None]
) -> None:
    """For read-only data sets."""
    options = f"?flow={tmp_path / 'flow cache'}"
    cache = stored(folder, options=options)
    paths = ["train/jump/1.mp4"]
    assert [o.outcome for o in compute_flow(folder, cache, paths, 1)] == ["computed"]
    assert not (folder / ".flow").exists()
    forbidden()
    assert opened(folder, options=options).sample(0, seed=0, epoch=0).flow is not None


@pytest.mark.parametrize(
    ("device", "identity", "gpus", "expected"),
    [
        ("cpu", (3,), 4, "cpu"),
        ("cuda:2", (3,), 4, "cuda:2"),
        ("cuda", (), 2, "cuda:0"),
        ("cuda", (5,), 4, "cuda:1"),
    ],
)
def test_workers_use_the_gpus_in_turn(
    device: str,
    identity: tuple[int, ...],
    gpus: int,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(multiprocessing.current_process(), "_identity", identity)
    assert flow_cache.device_of_process(device) == expected


def test_video_without_memory_for_its_flow_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(flow_cache, "probe", refuse)
    found = flow_cache._compute(tmp_path, None, "cpu", "a.mp4")  # type: ignore[arg-type]
    assert (found.outcome, found.reason) == (
        "failed",
        "a.mp4: there is not enough memory to compute its flow",
    )
