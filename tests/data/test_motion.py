"""The generated data set `motion`: the same clips everywhere, true labels, and the cache.

Clips are drawn in integers, so their hashes are the same on every machine.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import attrs
import numpy as np
import pytest
import torch

from anetc.data.formats.arrays import ArrayDataset
from anetc.data.formats.motion.clip_drawing import PHOTOS, SINES, TURN, _path, draw, material
from anetc.data.formats.motion.levels import LEVELS, motion_config
from anetc.data.formats.motion.motion import clips_flow8, open_motion
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.values import Split
from anetc.video.clips import Recipe, generator
from anetc.video.flow.clip_flow import tvl1
from anetdsl.errors import CannotRun

SPLITS: tuple[Split, ...] = get_args(Split)
WHOLE = Recipe(frames=16, size=(32, 32), short_side=None)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder."""
    monkeypatch.setenv("ANETDSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def opened(
    data: str, split: Split = "train", flow: bool = False, recipe: Recipe = WHOLE
) -> ArrayDataset:
    return open_motion(parse_spec(data), split, recipe, flow=flow)


def files(cache: Path) -> list[Path]:
    return sorted((cache / "motion").iterdir()) if (cache / "motion").is_dir() else []


# The clips


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("split", SPLITS)
def test_clips_are_the_same_on_every_machine(level: int, split: Split) -> None:
    digest = hashlib.sha256()
    for label in range(0, len(LEVELS[level].classes), 5):
        digest.update(draw(LEVELS[level], split, label, generator(7, 0, label)).tobytes())
    assert digest.hexdigest()[:16] == HASHES[level, split]


HASHES = {
    (1, "train"): "906b758f2c9b372c",
    (1, "validation"): "e0c263b317e6d449",
    (1, "test"): "4610f90c1abf08d3",
    (2, "train"): "e083642562463759",
    (2, "validation"): "703cab949ea9e568",
    (2, "test"): "8923875542adbda4",
    (3, "train"): "ff4954e01d374770",
    (3, "validation"): "37a03d8f2d0bb508",
    (3, "test"): "5ff92ad7855929e6",
}


def test_no_sine_is_near_a_half() -> None:
    exact = np.sin(2 * np.pi * np.arange(TURN) / TURN) * 16384
    assert np.rint(exact).tolist() == SINES
    assert np.abs(np.abs(exact - np.trunc(exact)) - 0.5).min() > 1e-5


@pytest.mark.parametrize("level", LEVELS)
def test_a_digit_swings_according_to_its_label(level: int) -> None:
    """Measured by the centre of the light and the frequency of its motion.

    The levels are tested without distractors, which would change the centre.
    """

    alone = attrs.evolve(LEVELS[level], distractors=0)
    right = 0
    clips = 60
    for index in range(clips):
        label = index % len(alone.classes)
        _, axis, cycles = alone.classes[label]
        clip = draw(alone, "train", label, generator(0, 0, index)).mean(-1)
        light = np.clip(clip - np.median(clip) - 40, 0, 60)
        places = np.arange(alone.size)
        total = light.sum((1, 2)) + 1e-9
        x = (light.sum(1) * places).sum(1) / total
        y = (light.sum(2) * places).sum(1) / total
        power = np.abs(np.fft.rfft([x - x.mean(), y - y.mean()], axis=1))
        # A constant motion has mostly the lowest frequency.
        power[:, 1] *= 1 if alone.wander == 0 else 0.5
        found = np.unravel_index(power.argmax(), power.shape)
        right += found == (axis, cycles)
    assert right / clips > 0.85


@pytest.mark.parametrize("level", LEVELS)
def test_the_speed_does_not_depend_on_the_frequency(level: int) -> None:
    """Digits of all frequencies move by the same number of pixels per frame."""
    steady = attrs.evolve(LEVELS[level], wander=0.0)
    speeds: dict[int, list[float]] = {cycles: [] for cycles in steady.cycles}
    for cycles, found in speeds.items():
        rng = generator(0, 0, f"speed {cycles}")
        for _ in range(300):
            x = _path(steady, 0, cycles, rng).x / 64
            amplitude = (x.max() - x.min()) / 2
            found.append(2 * np.pi * cycles / steady.frames * amplitude)
    means = [np.mean(found) for found in speeds.values()]
    assert max(means) / min(means) < 1.25


def test_splits_share_no_photographs_or_handwriting() -> None:
    names = [name for split in SPLITS for name in PHOTOS[split]]
    assert len(names) == len(set(names)) == 7
    pieces = [
        {digit.tobytes() for written in material(split).digits.values() for digit in written}
        for split in SPLITS
    ]
    assert not pieces[0] & pieces[1]
    assert not pieces[0] & pieces[2]
    assert not pieces[1] & pieces[2]
    assert sum(len(d) for split in SPLITS for d in material(split).digits.values()) == 1797


@pytest.mark.parametrize("level", LEVELS)
def test_classes_have_names_and_equal_numbers_of_clips(cache: Path, level: int) -> None:
    count = len(LEVELS[level].classes)
    size = LEVELS[level].frames
    data = opened(f"motion:level={level},clips={2 * count}", recipe=Recipe(size, (32, 32), None))
    assert len(data.classes) == len(set(data.classes)) == count
    assert np.bincount([data.target(i) for i in range(len(data))]).tolist() == [2] * count
    assert len(opened(f"motion:level={level},clips={2 * count}", "test")) == count


def test_the_default_is_level_1() -> None:
    config = motion_config(parse_spec("motion"))
    assert (config.level, config.seed) == (LEVELS[1], 0)
    assert [config.length(split) for split in SPLITS] == [2400, 600, 600]
    assert config.level.class_names[:3] == ("0-across-1", "0-across-4", "0-down-1")


def test_flow_is_tvl1_flow_in_eighths_of_a_pixel(cache: Path) -> None:
    """It takes less work than the default; the difference is below the quantisation."""
    data = opened("motion:clips=12", flow=True)
    assert data.flow8 is not None
    clips = np.asarray(data.x)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    grey = torch.from_numpy(np.ascontiguousarray(clips.astype(np.float32) @ weights))
    best = tvl1(grey[:, :-1].flatten(0, 1), grey[:, 1:].flatten(0, 1)).numpy()
    kept = np.asarray(data.flow8)[:, :-1].reshape(best.shape) / 8
    assert np.abs(kept - best).mean() < 1 / 8
    assert np.array_equal(data.flow8[:, -1], data.flow8[:, -2])
    assert np.abs(kept).max() > 1


# The cache


def test_the_cache_does_not_change_the_data(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    generated = opened("motion:clips=12", flow=True)
    cached = opened("motion:clips=12", flow=True)
    (tmp_path / "file").write_text("a file where the folder should be")
    monkeypatch.setenv("ANETDSL_CACHE", str(tmp_path / "file"))
    without = opened("motion:clips=12", flow=True)
    assert isinstance(generated.x, np.memmap)
    assert not isinstance(without.x, np.memmap)
    for other in (cached, without):
        assert np.array_equal(generated.x, other.x)
        assert np.array_equal(generated.flow8, other.flow8)  # type: ignore[arg-type]
        one, two = (data.sample(5, seed=1, epoch=2) for data in (generated, other))
        assert np.array_equal(one.rgb, two.rgb)
        assert np.array_equal(one.flow, two.flow)  # type: ignore[arg-type]


def test_a_damaged_cache_file_is_generated_again(cache: Path) -> None:
    first = np.array(opened("motion:clips=12").x)
    (file,) = files(cache)
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], b"\x93NUMPY" + whole[50:], whole[:128]):
        file.write_bytes(damaged)
        assert np.array_equal(opened("motion:clips=12").x, first)
        assert file.read_bytes() == whole


def test_several_threads_may_generate_the_same_set(cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: np.array(opened("motion:clips=24").x), range(4)))
    assert all(np.array_equal(found[0], other) for other in found)
    assert [file.suffix for file in files(cache)] == [".npy"]


def test_each_set_has_its_own_file(cache: Path) -> None:
    options = ("clips=12", "clips=13", "clips=12,seed=1", "clips=12,level=2", "clips=12,size=24")
    sets = [
        opened(f"motion:{option}", recipe=Recipe(16, (24, 24), None if "24" in option else 32))
        for option in options
    ]
    assert len(files(cache)) == len(options)
    assert not np.array_equal(sets[0].x, sets[2].x)
    assert np.array_equal(sets[0].x, sets[1].x[:12])


def test_the_seed_of_a_sample_does_not_change_the_data(cache: Path) -> None:
    data = open_data(parse_spec("motion:clips=12"), "test", WHOLE, flow=False)
    assert np.array_equal(data.sample(3, seed=0, epoch=0).rgb, data.sample(3, seed=5, epoch=0).rgb)


def test_clips_without_flow_do_not_import_torch(cache: Path) -> None:
    code = (
        "import sys; from anetc.data.open import open_data;"
        "from anetc.video.clips import Recipe;"
        "from anetc.data.spec import parse_spec;"
        "d = open_data(parse_spec('motion:clips=12'), 'train', Recipe(16, (32, 32), None), "
        "flow=False); d.sample(0, seed=0, epoch=0); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# Recipes and options


def test_smaller_clips_are_cut_out(cache: Path) -> None:
    cut = Recipe(frames=8, size=(24, 20), short_side=32, when="random", where="random", clips=2)
    data = opened("motion:clips=12", flow=True, recipe=cut)
    sample = data.sample(0, seed=0, epoch=0)
    assert sample.rgb.shape == (2, 8, 24, 20, 3)
    assert sample.flow is not None
    assert sample.flow.shape == (2, 8, 24, 20, 2)
    assert sample.target == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("motion:levle=2", "did you mean `level`"),
        ("motion:level=4", "whole number from 1 to 3"),
        ("motion:level=", "whole number from 1 to 3"),
        ("motion:clips=0", "whole number from 1"),
        ("motion:clips=-5", "whole number from 1"),
        ("motion:seed=1.5", "whole number from 0"),
        ("motion:frames=8", "need at least frames=16"),
        ("motion:size=1000", "whole number from 16 to 80"),
    ],
)
def test_wrong_options_are_errors(cache: Path, data: str, message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        opened(data)
    assert not files(cache)


def test_a_size_that_does_not_fit_is_an_error(cache: Path) -> None:
    with pytest.raises(CannotRun, match="clips of 32x32 pixels cannot be shrunk to 48x48"):
        opened("motion:clips=12", recipe=Recipe(16, (48, 48), None))


@pytest.mark.parametrize(
    "options", ["frames=32", "size=48", "frames=20,size=24", "level=3,size=64"]
)
def test_other_numbers_of_frames_and_sizes(cache: Path, options: str) -> None:
    level = motion_config(parse_spec(f"motion:{options}")).level
    clip = draw(level, "test", 1, generator(0, 0, 0))
    assert clip.shape == (level.frames, level.size, level.size, 3)
    assert level.class_names == LEVELS[3 if "level" in options else 1].class_names


def test_the_flow_of_a_clip_does_not_depend_on_the_batch(cache: Path) -> None:
    clips: Any = np.asarray(opened("motion:clips=12").x)[:3]
    assert np.array_equal(clips_flow8(clips)[1:2], clips_flow8(clips[1:2]))


def test_validation_is_as_large_as_asked_for(cache: Path) -> None:
    """More validation clips begin with the same ones; training clips do not change."""
    few = opened("motion:clips=48", "validation")
    more = opened("motion:clips=48,validation=40", "validation")
    assert (len(few), len(more)) == (12, 40)
    assert np.array_equal(more.x[:12], few.x)
    assert len(opened("motion:clips=48,validation=40", "test")) == 12
    assert len(opened("motion:clips=48,validation=40")) == 48
    with pytest.raises(CannotRun, match="less than one clip for each of the 12 classes"):
        opened("motion:validation=11", "validation")
