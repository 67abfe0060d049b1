"""Batches: a function of (seed, i) alone, whatever reads them and whatever cannot be read."""

from __future__ import annotations

import logging
import os
from collections import Counter
from itertools import islice
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import anetdsl
from anetc.data.batches.loader import (
    Batch,
    needs_flow,
    network_inputs,
    test_batches,
    training_batches,
)
from anetc.data.batches.stream import permutation, place
from anetc.data.values import DataSpec, Sample, Split
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun

SPEC = DataSpec("folder", "made")


@attrs.frozen(eq=False)
class Made:
    """Videos whose pixels hold (seed, epoch, index); `broken` ones cannot be read."""

    count: int = 10
    clips: int = 1
    broken: frozenset[int] = frozenset()
    multi_label: bool = False
    dies: bool = False
    refuses: bool = False
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
        if self.refuses:
            raise CannotRun("the disk is gone")
        if index in self.broken:
            raise VideoError(self.name(index), "is broken")
        rgb = np.zeros((self.clips, 2, 4, 4, 3), np.uint8)
        rgb[..., 0], rgb[..., 1], rgb[..., 2] = seed, epoch, index
        flow = np.full((self.clips, 2, 4, 4, 2), index / 100, np.float32)
        return Sample(self.name(index), rgb, flow, self.target(index))


def held(batch: Batch) -> list[tuple[int, int, int]]:
    """(seed, epoch, index) of each clip."""
    pixels = (batch.inputs["rgb"][:, :, 0, 0, 0] * 255).round().int()
    return [tuple(row) for row in pixels.tolist()]


def first(count: int, data: Made, **how: Any) -> list[Batch]:
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
def test_an_epoch_has_every_video_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(permutation(seed, epoch, count).tolist()) == list(range(count))
    places = [place(seed, count, epoch * count + rank) for rank in range(count)]
    assert {p.epoch for p in places} == {epoch}
    assert [p.index for p in places] == permutation(seed, epoch, count).tolist()


def test_the_order_is_fixed_for_good() -> None:
    """Another one would change every run that is resumed."""
    assert permutation(0, 0, 8).tolist() == [5, 2, 6, 7, 3, 0, 1, 4]
    assert len({tuple(permutation(s, e, 20).tolist()) for s in range(3) for e in range(3)}) == 9


def test_batches_go_through_the_epochs() -> None:
    batches = first(5, Made(10), batch=4, seed=7)
    assert [batch.index for batch in batches] == list(range(5))
    seen = [row for batch in batches for row in held(batch)]
    assert [row[0] for row in seen] == [7] * 20
    assert [row[1] for row in seen] == [0] * 10 + [1] * 10
    assert sorted(row[2] for row in seen[:10]) == list(range(10))
    for batch in batches:
        assert batch.names == tuple(f"v{row[2]}" for row in held(batch))
        assert batch.targets.tolist() == [row[2] % 3 for row in held(batch)]
        assert batch.targets.dtype == torch.int64
        assert batch.inputs["rgb"].shape == (4, 3, 2, 4, 4)
        assert batch.inputs["flow"].shape == (4, 2, 2, 4, 4)
        assert {tensor.dtype for tensor in batch.inputs.values()} == {torch.float32}
        assert float(batch.inputs["rgb"].max()) <= 1


def test_a_batch_larger_than_the_data_set() -> None:
    (batch,) = first(1, Made(3), batch=7, seed=0)
    assert Counter(row[1] for row in held(batch)) == {0: 3, 1: 3, 2: 1}


@pytest.mark.parametrize("start", [0, 1, 6])
def test_going_on_is_the_same_as_not_having_stopped(start: int) -> None:
    whole = first(9, Made(broken=frozenset({3})), batch=4, seed=1, max_failures=1)
    rest = first(
        9 - start, Made(broken=frozenset({3})), batch=4, seed=1, start=start, max_failures=1
    )
    assert all(same(a, b) for a, b in zip(whole[start:], rest, strict=True))


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_a_batch(world: int) -> None:
    """Side by side their parts are the batch of a single process."""
    data = Made(broken=frozenset({3}))
    whole = first(5, data, batch=6, seed=1, max_failures=1)
    parts = [
        first(5, data, batch=6, seed=1, rank=rank, world=world, max_failures=1)
        for rank in range(world)
    ]
    for number, batch in enumerate(whole):
        names = [name for part in parts for name in part[number].names]
        assert tuple(names) == batch.names
        assert torch.equal(
            torch.cat([p[number].inputs["flow"] for p in parts]), batch.inputs["flow"]
        )


def test_the_same_batches_whatever_the_number_of_workers() -> None:
    """With videos that fail, several labels, and a start in the middle."""
    data = Made(11, broken=frozenset({2, 5}), multi_label=True)
    how: dict[str, Any] = {"batch": 4, "seed": 3, "start": 2, "max_failures": 0.5}
    expected = first(7, data, **how)
    assert expected[0].targets.dtype == torch.float32
    found = first(7, data, workers=3, **how)
    assert all(same(a, b) for a, b in zip(expected, found, strict=True))


# Failures


def test_a_video_that_fails_is_replaced_by_that_in_its_place_a_batch_later() -> None:
    good = first(12, Made(10), batch=4, seed=0)
    bad = frozenset({int(good[0].names[1][1:])})
    found = first(11, Made(10, broken=bad), batch=4, seed=0, max_failures=0.1)
    for number, batch in enumerate(found):
        for slot, row in enumerate(held(batch)):
            expected = held(good[number])[slot]
            if expected[2] in bad:
                expected = held(good[number + 1])[slot]
            assert expected[2] in bad or row == expected
            assert row[2] not in bad


def test_failures_are_named_once_and_stop_above_a_share(caplog: pytest.LogCaptureFixture) -> None:
    data = Made(20, broken=frozenset({4}))
    with caplog.at_level(logging.WARNING, "anetc.data"):
        first(30, data, batch=4, seed=0)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["left out: v4: is broken: 0 frames readable; re-encode or remove it"]
    two = attrs.evolve(data, broken=frozenset({4, 9}))
    with pytest.raises(CannotRun) as found:
        first(30, two, batch=4, seed=0)
    assert "2 of the 20 videos of the train split cannot be read, more than 5 %" in str(found.value)
    assert len(first(30, two, batch=4, seed=0, max_failures=0.1)) == 30


def test_nothing_but_failures() -> None:
    with pytest.raises(CannotRun, match="cannot be read"):
        first(1, Made(3, broken=frozenset(range(3))), batch=2, seed=0, max_failures=1)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_makes_going_on_impossible_comes_through(workers: int) -> None:
    with pytest.raises(CannotRun) as found:
        first(1, Made(refuses=True), batch=2, seed=0, workers=workers)
    assert str(found.value) == "the disk is gone"


def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(CannotRun, match="try fewer --workers"):
        first(1, Made(dies=True), batch=2, seed=0, workers=1)


# Testing


@pytest.mark.parametrize("world", [1, 3])
def test_every_video_is_tested_once_in_order(world: int) -> None:
    data = Made(10, clips=3)
    batches = [
        b for rank in range(world) for b in test_batches(data, batch=4, rank=rank, world=world)
    ]
    assert [name for batch in batches for name in batch.names] == [f"v{n}" for n in range(10)]
    for batch in batches:
        assert batch.clips == 3
        assert batch.inputs["rgb"].shape[0] == len(batch.names) * 3
        numbers = [int(name[1:]) for name in batch.names]
        assert [row[2] for row in held(batch)] == list(np.repeat(numbers, 3))
    if world == 1:
        assert [len(batch.names) for batch in batches] == [4, 4, 2]


def test_videos_that_fail_are_left_out_of_a_test() -> None:
    data = Made(6, broken=frozenset({0, 1, 4}))
    found = list(test_batches(data, batch=2, max_failures=0.5))
    assert [(batch.index, batch.names) for batch in found] == [(1, ("v2", "v3")), (2, ("v5",))]
    with pytest.raises(CannotRun, match="3 of the 6"):
        list(test_batches(data, batch=2, max_failures=0.4))


def test_test_batches_by_workers_and_seed() -> None:
    data = Made(5)
    expected = list(test_batches(data, batch=2, seed=9))
    found = list(test_batches(data, batch=2, seed=9, workers=2))
    assert all(same(a, b) for a, b in zip(expected, found, strict=True))
    assert {row[0] for row in held(expected[0])} == {9}


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"batch": 0}, ValueError),
        ({"batch": 2, "rank": 2, "world": 2}, ValueError),
        ({"batch": 2, "start": -1}, ValueError),
        ({"batch": 3, "world": 2}, CannotRun),
    ],
)
def test_numbers_out_of_range(how: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        first(1, Made(), seed=0, **how)


def test_an_empty_split() -> None:
    with pytest.raises(CannotRun, match="the train split has no videos"):
        first(1, Made(0), batch=2, seed=0)


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


def test_inputs_are_given_by_kind() -> None:
    (batch,) = first(1, Made(), batch=2, seed=0)
    asked = network("a channels=3", "b channels=2 kind=flow", "c channels=1 kind=rgb")
    given_ = network_inputs(asked, batch)
    assert list(given_) == ["a", "b", "c"]
    assert given_["a"] is batch.inputs["rgb"]
    assert given_["b"] is batch.inputs["flow"]
    assert torch.equal(given_["c"], batch.inputs["rgb"].mean(1, keepdim=True))
    assert needs_flow(asked)
    assert not needs_flow(network("a channels=3"))


@pytest.mark.parametrize("line", ["x channels=4", "x channels=3 kind=flow"])
def test_inputs_that_no_video_has(line: str) -> None:
    (batch,) = first(1, Made(), batch=2, seed=0)
    with pytest.raises(CannotRun, match="a video gives RGB"):
        network_inputs(network(line), batch)
    dark = attrs.evolve(batch, inputs={})
    with pytest.raises(CannotRun, match="input `x`"):
        network_inputs(network("x channels=3"), dark)
