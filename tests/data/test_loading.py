"""Batches are a function of (seed, i), for all workers, processes and failures."""

from __future__ import annotations

import logging
import os
import resource
import signal
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import anetdsl
from anetc import worker_processes
from anetc.data.batches import batch_workers
from anetc.data.batches.loader import (
    Batch,
    needs_flow,
    network_inputs,
    test_batches,
    training_batches,
)
from anetc.data.batches.sample_order import permutation, video_at
from anetc.data.values import DataSpec, Sample, Split
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun

SPEC = DataSpec("folder", "generated")


@attrs.frozen(eq=False)
class PixelData:
    """Videos whose pixels are (seed, epoch, index); the `broken` ones cannot be read."""

    count: int = 10
    clips: int = 1
    broken: frozenset[int] = frozenset()
    multi_label: bool = False
    dies: bool = False
    fails: bool = False
    stops: bool = False
    limit: int = 0
    """Largest file, and shared memory, in bytes, that its process can write; 0 for any."""
    spec: DataSpec = SPEC
    split: Split = "train"
    classes: tuple[str, ...] = ("a", "b", "c")

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"v{index}"

    def target(self, index: int) -> Any:
        if self.multi_label:
            return np.array([index % 2, 1, 0], np.float32)
        return index % 3

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        if self.dies:
            os._exit(1)
        if self.stops:
            os.kill(os.getpid(), signal.SIGSTOP)
        if self.limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, self.limit))
        if self.fails:
            raise CannotRun("the disk is gone")
        if index in self.broken:
            raise VideoError(self.name(index), "is broken")
        rgb = np.zeros((self.clips, 2, 4, 4, 3), np.uint8)
        rgb[..., 0], rgb[..., 1], rgb[..., 2] = seed, epoch, index
        flow = np.full((self.clips, 2, 4, 4, 2), index / 100, np.float32)
        return Sample(self.name(index), rgb, flow, self.target(index))


def pixel_values(batch: Batch) -> list[tuple[int, int, int]]:
    """Return (seed, epoch, index) of each clip."""
    pixels = (batch.inputs["rgb"][:, :, 0, 0, 0] * 255).round().int()
    return [tuple(row) for row in pixels.tolist()]


def first_batches(count: int, data: PixelData, **how: Any) -> list[Batch]:
    return list(islice(training_batches(data, **how), count))


def same(a: Batch, b: Batch) -> bool:
    return (
        (a.names, a.index, a.clips) == (b.names, b.index, b.clips)
        and torch.equal(a.targets, b.targets)
        and a.inputs.keys() == b.inputs.keys()
        and all(torch.equal(a.inputs[kind], b.inputs[kind]) for kind in a.inputs)
    )


# The stream


@given(st.integers(1, 30), st.integers(0, 3), st.integers(0, 5))
def test_an_epoch_holds_every_video_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(permutation(seed, epoch, count).tolist()) == list(range(count))
    videos = [video_at(seed, count, epoch * count + rank) for rank in range(count)]
    assert {video.epoch for video in videos} == {epoch}
    assert [video.index for video in videos] == permutation(seed, epoch, count).tolist()


def test_the_order_never_changes() -> None:
    """Another order would change every resumed run."""
    assert permutation(0, 0, 8).tolist() == [5, 2, 6, 7, 3, 0, 1, 4]
    assert len({tuple(permutation(s, e, 20).tolist()) for s in range(3) for e in range(3)}) == 9


def test_batches_continue_over_epochs() -> None:
    batches = first_batches(5, PixelData(10), batch=4, seed=7)
    assert [batch.index for batch in batches] == list(range(5))
    seen = [row for batch in batches for row in pixel_values(batch)]
    assert [row[0] for row in seen] == [7] * 20
    assert [row[1] for row in seen] == [0] * 10 + [1] * 10
    assert sorted(row[2] for row in seen[:10]) == list(range(10))
    for batch in batches:
        assert batch.names == tuple(f"v{row[2]}" for row in pixel_values(batch))
        assert batch.targets.tolist() == [row[2] % 3 for row in pixel_values(batch)]
        assert batch.targets.dtype == torch.int64
        assert batch.inputs["rgb"].shape == (4, 3, 2, 4, 4)
        assert batch.inputs["flow"].shape == (4, 2, 2, 4, 4)
        assert {tensor.dtype for tensor in batch.inputs.values()} == {torch.float32}
        assert float(batch.inputs["rgb"].max()) <= 1


def test_a_batch_larger_than_the_data_set() -> None:
    (batch,) = first_batches(1, PixelData(3), batch=7, seed=0)
    assert Counter(row[1] for row in pixel_values(batch)) == {0: 3, 1: 3, 2: 1}


@pytest.mark.parametrize("start", [0, 1, 6])
def test_a_later_start_gives_the_same_batches(start: int) -> None:
    whole = first_batches(9, PixelData(broken=frozenset({3})), batch=4, seed=1, max_failures=1)
    rest = first_batches(
        9 - start, PixelData(broken=frozenset({3})), batch=4, seed=1, start=start, max_failures=1
    )
    assert all(same(a, b) for a, b in zip(whole[start:], rest, strict=True))


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_a_batch(world: int) -> None:
    """Their parts in order are the batch of a single process."""
    data = PixelData(broken=frozenset({3}))
    whole = first_batches(5, data, batch=6, seed=1, max_failures=1)
    parts = [
        first_batches(5, data, batch=6, seed=1, rank=rank, world=world, max_failures=1)
        for rank in range(world)
    ]
    for number, batch in enumerate(whole):
        names = [name for part in parts for name in part[number].names]
        assert tuple(names) == batch.names
        assert torch.equal(
            torch.cat([p[number].inputs["flow"] for p in parts]), batch.inputs["flow"]
        )


def test_the_number_of_workers_does_not_change_the_batches() -> None:
    """With failures, several labels, and a start in the middle."""
    data = PixelData(11, broken=frozenset({2, 5}), multi_label=True)
    how: dict[str, Any] = {"batch": 4, "seed": 3, "start": 2, "max_failures": 0.5}
    expected = first_batches(7, data, **how)
    assert expected[0].targets.dtype == torch.float32
    found = first_batches(7, data, workers=3, **how)
    assert all(same(a, b) for a, b in zip(expected, found, strict=True))


# Failures


def test_a_failed_video_is_replaced_by_the_one_in_its_place_a_batch_later() -> None:
    good = first_batches(12, PixelData(10), batch=4, seed=0)
    bad = frozenset({int(good[0].names[1][1:])})
    found = first_batches(11, PixelData(10, broken=bad), batch=4, seed=0, max_failures=0.1)
    for number, batch in enumerate(found):
        for slot, row in enumerate(pixel_values(batch)):
            expected = pixel_values(good[number])[slot]
            if expected[2] in bad:
                expected = pixel_values(good[number + 1])[slot]
            assert expected[2] in bad or row == expected
            assert row[2] not in bad


def test_failures_are_named_once_and_limited(caplog: pytest.LogCaptureFixture) -> None:
    data = PixelData(20, broken=frozenset({4}))
    with caplog.at_level(logging.WARNING, "anetc.data"):
        first_batches(30, data, batch=4, seed=0)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["left out: v4: is broken: 0 frames readable; re-encode or remove it"]
    two = attrs.evolve(data, broken=frozenset({4, 9}))
    with pytest.raises(CannotRun) as found:
        first_batches(30, two, batch=4, seed=0)
    assert "2 of the 20 videos of the train split cannot be read, more than 5 %" in str(found.value)
    assert len(first_batches(30, two, batch=4, seed=0, max_failures=0.1)) == 30


def test_a_data_set_of_failures_is_an_error() -> None:
    with pytest.raises(CannotRun, match="cannot be read"):
        first_batches(1, PixelData(3, broken=frozenset(range(3))), batch=2, seed=0, max_failures=1)


@pytest.mark.parametrize("workers", [0, 1])
def test_other_errors_are_raised_again(workers: int) -> None:
    with pytest.raises(CannotRun) as found:
        first_batches(1, PixelData(fails=True), batch=2, seed=0, workers=workers)
    assert str(found.value) == "the disk is gone"


def test_a_killed_worker_is_an_error() -> None:
    with pytest.raises(CannotRun, match=r"ended with exit code 1.*use fewer --workers"):
        first_batches(1, PixelData(dies=True), batch=2, seed=0, workers=1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_stopped_worker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "STOPPED_SECONDS", 0.5)
    with pytest.raises(CannotRun, match="has been stopped by a signal"):
        first_batches(1, PixelData(stops=True), batch=2, seed=0, workers=1)


def test_shared_memory_of_dead_workers_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch_7_123_0", "torch_70_123_0", "other"):
        (tmp_path / name).touch()
    monkeypatch.setattr(batch_workers, "SHARED_MEMORY", tmp_path)
    batch_workers._remove_shared_memory([7, None])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "torch_70_123_0"]


@pytest.mark.skipif(not Path("/dev/shm").exists(), reason="shared memory is no file here")
def test_shared_memory_that_is_too_small_is_an_error() -> None:
    """As with Docker's default, 64 MB; here a limit of files takes its place."""
    with pytest.raises(CannotRun) as found:
        first_batches(1, PixelData(limit=100), batch=4, seed=0, workers=1)
    assert "does not fit into shared memory (/dev/shm" in str(found.value)
    assert "use --workers 0 or a smaller batch" in str(found.value)


# Testing


@pytest.mark.parametrize("world", [1, 3])
def test_every_video_is_tested_once_in_order(world: int) -> None:
    data = PixelData(10, clips=3)
    batches = [
        b for rank in range(world) for b in test_batches(data, batch=4, rank=rank, world=world)
    ]
    assert [name for batch in batches for name in batch.names] == [f"v{n}" for n in range(10)]
    for batch in batches:
        assert batch.clips == 3
        assert batch.inputs["rgb"].shape[0] == len(batch.names) * 3
        numbers = [int(name[1:]) for name in batch.names]
        assert [row[2] for row in pixel_values(batch)] == list(np.repeat(numbers, 3))
    if world == 1:
        assert [len(batch.names) for batch in batches] == [4, 4, 2]


def test_failed_videos_are_left_out_of_a_test() -> None:
    data = PixelData(6, broken=frozenset({0, 1, 4}))
    found = list(test_batches(data, batch=2, max_failures=0.5))
    assert [(batch.index, batch.names) for batch in found] == [(1, ("v2", "v3")), (2, ("v5",))]
    with pytest.raises(CannotRun, match="3 of the 6"):
        list(test_batches(data, batch=2, max_failures=0.4))


def test_test_batches_by_workers_and_seed() -> None:
    data = PixelData(5)
    expected = list(test_batches(data, batch=2, seed=9))
    found = list(test_batches(data, batch=2, seed=9, workers=2))
    assert all(same(a, b) for a, b in zip(expected, found, strict=True))
    assert {row[0] for row in pixel_values(expected[0])} == {9}


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"batch": 0}, ValueError),
        ({"batch": 2, "rank": 2, "world": 2}, ValueError),
        ({"batch": 2, "start": -1}, ValueError),
        ({"batch": 3, "world": 2}, CannotRun),
    ],
)
def test_numbers_out_of_range_are_errors(how: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        first_batches(1, PixelData(), seed=0, **how)


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(CannotRun, match="the train split has no videos"):
        first_batches(1, PixelData(0), batch=2, seed=0)


# Inputs of a network


def network(*inputs: str) -> Any:
    text = "\n".join(f"input {line}" for line in inputs)
    stems = "\n".join(
        f"node s{n} level=0 C=4 r=1 stride=4 inputs=[{line.split()[0]}]"
        for n, line in enumerate(inputs)
    )
    names = ", ".join(f"s{n}" for n in range(len(inputs)))
    return anetdsl.parse(
        f"anet 1\nnetwork n\n{text}\n{stems}\nnode n1 level=1 C=4 r=1 stride=1 inputs=[{names}]\n"
        "sink inputs=[n1] classes=3\n"
    )


def test_inputs_are_foundby_kind() -> None:
    (batch,) = first_batches(1, PixelData(), batch=2, seed=0)
    three = network("a channels=3", "b channels=2 kind=flow", "c channels=1 kind=rgb")
    found = network_inputs(three, batch)
    assert list(found) == ["a", "b", "c"]
    assert found["a"] is batch.inputs["rgb"]
    assert found["b"] is batch.inputs["flow"]
    assert torch.equal(found["c"], batch.inputs["rgb"].mean(1, keepdim=True))
    assert needs_flow(three)
    assert not needs_flow(network("a channels=3"))


@pytest.mark.parametrize("line", ["x channels=4", "x channels=3 kind=flow"])
def test_inputs_that_a_video_cannot_provide(line: str) -> None:
    (batch,) = first_batches(1, PixelData(), batch=2, seed=0)
    with pytest.raises(CannotRun, match="a video provides RGB"):
        network_inputs(network(line), batch)
    empty = attrs.evolve(batch, inputs={})
    with pytest.raises(CannotRun, match="input `x`"):
        network_inputs(network("x channels=3"), empty)
