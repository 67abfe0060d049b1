"""Segments of a longer video: clips stay inside, and cached flow is that of the segment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from anetc.data.formats.video_dataset import flow_folder
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.upkeep.flow_cache import compute_flow
from anetc.data.upkeep.flow_files import FlowKey
from anetc.data.values import Segment
from anetc.video.clips import Recipe
from anetc.video.source import VideoError

RECIPE = Recipe(frames=5, size=(48, 64), short_side=None, when="random", clips=6)


def data(folder: Path, recipe: Recipe = RECIPE, flow: bool = False) -> Any:
    return open_data(parse_spec(f"list:{folder}"), "train", recipe, flow=flow)


@pytest.fixture
def long(film: Callable[..., Path], tmp_path: Path) -> Path:
    """A video of four seconds, whose frame n has the number n, and three of its segments."""
    film("data/long.mp4", 100, noisy=True)
    (tmp_path / "data/list.csv").write_text(
        "path,label,split,start,end\nlong.mp4,a,train,0,1\nlong.mp4,b,train,1.52,2.4\n"
        "long.mp4,b,train,2,2.2\nlong.mp4,a,train,3.5,7\nlong.mp4,a,train,5,7\n"
    )
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("index", "first", "last"),
    [(0, 0, 24), (1, 38, 59), (2, 50, 54), (3, 88, 99)],
)
def test_clips_stay_inside_of_their_segment(
    long: Path, numbers: Callable[..., list[int]], index: int, first: int, last: int
) -> None:
    """A segment that is shorter than the clip is repeated; one that ends late is cut."""
    for when, clips in (("random", 6), ("centre", 1), ("even", 3)):
        recipe = attrs.evolve(RECIPE, when=when, clips=clips)
        sample = data(long, recipe).sample(index, seed=1, epoch=2)
        found = [n for clip in sample.rgb for n in numbers(clip)]
        assert min(found) >= first
        assert max(found) <= last
    assert len(set(found)) > 2


def test_a_segment_beyond_the_end_is_an_error(long: Path) -> None:
    with pytest.raises(VideoError, match=r"from 5 to 7 s begins after the end, at 4.00 s"):
        data(long).sample(4, seed=0, epoch=0)


def test_segments_on_the_grid() -> None:
    """The video has 50 grid frames."""
    assert Segment(1, 2).on_grid(12.5, 50, 4.0) == (13, 12)
    assert Segment(3.99, 9).on_grid(12.5, 50, 4.0) == (50, 0)
    assert Segment(3.9, 9).on_grid(12.5, 50, 4.0) == (49, 1)
    assert Segment(1, 1.001).on_grid(12.5, 50, 4.0) == (13, 1)
    assert Segment(30, 34, unless_cut=True).on_grid(12.5, 50, 4.0) == (0, 50)
    assert Segment(1, 2, unless_cut=True).on_grid(12.5, 50, 4.0) == (13, 12)


@pytest.mark.parametrize("frames", [1, 2, 5, 20])
def test_cached_flow_of_segments_is_computed_flow(long: Path, frames: int) -> None:
    """Also at the end of a segment, where the flow of the whole video goes on."""
    recipe = Recipe(
        frames=frames, size=(16, 16), short_side=None, when="random", clips=3, flip=True
    )
    computed = [data(long, recipe, flow=True).sample(i, seed=3, epoch=0) for i in range(4)]
    folder = flow_folder(parse_spec(f"list:{long}"), long, FlowKey.of(recipe))
    outcomes = list(compute_flow(long, folder, ["long.mp4"], 1))
    assert [outcome.outcome for outcome in outcomes] == ["computed"]
    for index, sample in enumerate(computed):
        cached = data(long, recipe, flow=True).sample(index, seed=3, epoch=0)
        assert np.array_equal(cached.rgb, sample.rgb)
        assert np.array_equal(cached.flow, sample.flow)
