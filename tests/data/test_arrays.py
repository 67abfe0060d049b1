"""The format `arrays`: content of archives, cuts of clips, and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.video.clips import Recipe
from anetc.video.flow.fields import dequantise, whole_flow
from anetdsl.errors import CannotRun

WHOLE = Recipe(frames=6, size=(8, 12), short_side=None)


def example_arrays(**others: Any) -> dict[str, Any]:
    """Five grey clips of six frames of 8 x 12 pixels."""
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.integers(0, 256, (5, 6, 8, 12), np.uint8),
        "y": np.array([0, 2, 1, 0, 2], np.int16),
        "flow8": rng.integers(-128, 128, (5, 6, 2, 8, 12)).astype(np.int8),
        "subj": np.array([1, 2, 3, 1, 2]),
        **others,
    }
    return {name: value for name, value in arrays.items() if value is not None}


def opened(
    folder: Path,
    recipe: Recipe = WHOLE,
    options: str = "",
    split: Any = "train",
    flow: bool = True,
    **others: Any,
) -> Any:
    np.savez(folder / "x.npz", **example_arrays(**others))
    spec = parse_spec(f"arrays:{folder / 'x.npz'}{options}")
    return open_data(spec, split, recipe, flow=flow)


def test_whole_clips(tmp_path: Path) -> None:
    """Grey becomes three equal channels; flow in eighths of a pixel is scaled by 20 px."""
    found = opened(tmp_path)
    assert (len(found), found.classes) == (5, ("class 0", "class 1", "class 2"))
    assert not found.multi_label
    sample = found.sample(1, seed=0, epoch=0)
    arrays = example_arrays()
    assert sample.rgb.shape == (1, 6, 8, 12, 3)
    for channel in range(3):
        assert np.array_equal(sample.rgb[0, ..., channel], arrays["x"][1])
    expected = arrays["flow8"][1].transpose(0, 2, 3, 1) / 8 / 20
    expected[-1] = expected[-2]  # the clip has no frame after the last one
    assert np.abs(sample.flow[0] - expected).max() < 1e-6
    assert (sample.target, found.target(1), sample.name) == (2, 2, "1")


def test_colour_names_and_classes(tmp_path: Path) -> None:
    x = np.random.default_rng(1).integers(0, 256, (5, 6, 8, 12, 3), np.uint8)
    texts = {"names": np.array(list("abcde")), "classes": np.array(["x", "y", "z", "never"])}
    found = opened(tmp_path, flow=False, x=x, **texts)
    sample = found.sample(4, seed=0, epoch=0)
    assert np.array_equal(sample.rgb[0], x[4])
    assert sample.flow is None
    assert sample.name == "e"
    assert found.classes == ("x", "y", "z", "never")


def test_splits_by_subject(tmp_path: Path) -> None:
    options = "?train=1,3&test=2"
    rows = {split: opened(tmp_path, options=options, split=split) for split in ("train", "test")}
    assert [rows["train"].name(n) for n in range(len(rows["train"]))] == ["0", "2", "3"]
    assert [rows["test"].target(n) for n in range(len(rows["test"]))] == [2, 2]
    assert rows["train"].classes == rows["test"].classes


def test_splits_by_name(tmp_path: Path) -> None:
    split = np.array(["train", "test", "train", "validation", "test"])
    np.savez(tmp_path / "s.npz", **example_arrays(), split=split)
    spec = parse_spec(f"arrays:{tmp_path / 's.npz'}")
    sizes = [len(open_data(spec, s, WHOLE, flow=False)) for s in ("train", "validation", "test")]
    assert sizes == [2, 1, 2]


@pytest.mark.parametrize(("split", "warns"), [("train", False), ("test", True)])
def test_an_archive_without_splits_warns(
    split: Any, warns: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each split is then the whole archive; opening the test split warns."""
    assert len(opened(tmp_path, split=split)) == 5
    assert ("has no splits" in caplog.text) == warns


def test_smaller_clips_are_means_of_blocks_with_smaller_flow(tmp_path: Path) -> None:
    recipe = Recipe(frames=6, size=(4, 6), short_side=None)
    sample = opened(tmp_path, recipe).sample(0, seed=0, epoch=0)
    arrays = example_arrays()
    means = arrays["x"][0].reshape(6, 4, 2, 6, 2).mean((2, 4))
    assert np.abs(sample.rgb[0, ..., 0] - means).max() <= 0.5
    flow = arrays["flow8"][0].reshape(6, 2, 4, 2, 6, 2).mean((3, 5)).transpose(0, 2, 3, 1)
    assert np.abs(sample.flow[0, :-1] - flow[:-1] / 8 / 20 / 2).max() < 1e-6


def test_splits_share_an_archive_until_it_changes(tmp_path: Path) -> None:
    train = opened(tmp_path, options="?train=1&test=2")
    test = open_data(train.spec, "test", WHOLE, flow=True)
    assert test.x is train.x
    other = example_arrays()["x"] + np.uint8(1)
    changed = opened(
        tmp_path, options="?train=1&test=2", x=other, classes=np.array(["a", "b", "c"])
    )
    assert (changed.x == other).all()


def test_flow_is_cropped_at_the_place_of_the_pixels(tmp_path: Path) -> None:
    """With mirroring, which negates u, and starts in the middle."""
    arrays = example_arrays()
    u = arrays["x"].astype(int) // 2
    flow8 = np.stack([u, np.zeros_like(u)], 2).astype(np.int8)
    recipe = Recipe(
        frames=3, size=(5, 5), short_side=8, when="random", where="random", flip=True, clips=20
    )
    sample = opened(tmp_path, recipe, flow8=flow8).sample(0, seed=0, epoch=0)
    signs = set()
    for pixels, flow in zip(sample.rgb[..., 0], sample.flow[..., 0], strict=True):
        sign = np.sign(flow.sum())
        signs.add(sign)
        assert np.abs(flow[:-1] * sign - (pixels[:-1] // 2) / 160).max() < 1e-6
    assert signs == {-1, 1}


def test_missing_flow_is_computed(tmp_path: Path) -> None:
    found = opened(tmp_path, flow8=None)
    sample = found.sample(0, seed=0, epoch=0)
    assert np.array_equal(sample.flow[0], dequantise(whole_flow(sample.rgb[0])))


def test_longer_clips_repeat_the_archive_s(tmp_path: Path) -> None:
    sample = opened(tmp_path, Recipe(8, (8, 12), None)).sample(0, seed=0, epoch=0)
    assert np.array_equal(sample.rgb[0, 6:], sample.rgb[0, :2])
    held = opened(tmp_path, Recipe(8, (8, 12), None, fill="last"))
    assert not held.sample(0, seed=0, epoch=0).flow[0, 5:].any()


@pytest.mark.parametrize(
    ("others", "how", "message"),
    [
        ({"x": None}, {}, "x must be uint8"),
        ({"x": np.zeros((5, 6, 8, 12))}, {}, "but it is float64"),
        ({"x": np.zeros((5, 0, 8, 12), np.uint8)}, {}, "x is empty"),
        ({"y": np.zeros(4, int)}, {}, "y must be 5 whole numbers"),
        ({"y": np.array([0, 1, 2, 3, -1])}, {}, "y must be 5 whole numbers"),
        ({"flow8": np.zeros((5, 6, 2, 8, 8), np.int8)}, {}, "does not fit x"),
        ({"subj": None}, {"options": "?train=1"}, "no `subj`"),
        ({}, {"options": "?train=1&test=1"}, "subject 1 is in two splits"),
        (
            {},
            {"options": "?train=1", "split": "test"},
            "name its subjects with the option test=NUMBER",
        ),
        ({}, {"options": "?train=9"}, "the train split is empty"),
        ({"classes": np.array(["a"])}, {}, "there are 1 class names, but y goes up to 2"),
        ({"names": np.array(list("aabcd"))}, {}, "5 different texts"),
        ({}, {"recipe": Recipe(6, (5, 5), None)}, "clips of 8x12 pixels cannot be shrunk to 5x5"),
        ({}, {"recipe": Recipe(6, (10, 8), 16)}, "cannot be shrunk to 10x8"),
    ],
)
def test_malformed_archives_are_refused(
    tmp_path: Path, others: dict[str, Any], how: dict[str, Any], message: str
) -> None:
    with pytest.raises(CannotRun) as found:
        opened(tmp_path, **how, **others)
    assert message in str(found.value)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"text", b"\x80\x04N."])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    """Their content is never executed."""
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(CannotRun, match="not a NumPy archive"):
        open_data(parse_spec(f"arrays:{tmp_path / 'x.npz'}"), "train", WHOLE, flow=False)


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(CannotRun, match="not a NumPy archive"):
        open_data(parse_spec(f"arrays:{tmp_path / 'x.npz'}"), "train", WHOLE, flow=False)


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="not a NumPy archive"):
        opened(tmp_path, names=np.array([None] * 5, object))
