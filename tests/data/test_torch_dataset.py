"""Data sets for PyTorch: items, batches, workers, epochs, and unreadable videos."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import anetc
import anetdsl
from anetc.data.torch_dataset import VideoClips, collate, torch_dataset
from anetc.data.values import Dataset
from anetc.video.clips import Recipe
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun
from tests.training.toys import NETWORK, Toy

ONE_CLIP = Recipe(frames=3, size=(8, 8))
TWO_CLIPS = Recipe(frames=3, size=(8, 8), when="random", clips=2)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "clips.npz"
    np.savez(
        path,
        x=rng.integers(0, 256, (6, 8, 16, 16, 3), np.uint8),
        y=np.arange(6) % 3,
        flow8=rng.integers(-99, 99, (6, 8, 2, 16, 16)).astype(np.int8),
    )
    return path


def opened(archive: Path, **arguments: object) -> VideoClips:
    return torch_dataset(f"arrays:{archive}", "train", frames=4, size=(16, 16), **arguments)  # type: ignore[arg-type]


def toy(recipe: Recipe = ONE_CLIP, **values: object) -> VideoClips:
    dataset: Dataset = Toy(clips=recipe.clips, **values)  # type: ignore[arg-type, assignment]
    return VideoClips(dataset, recipe)


def test_items_have_the_documented_form(archive: Path) -> None:
    inputs, target = opened(archive, flow=True)[4]
    assert {name: x.shape for name, x in inputs.items()} == {
        "rgb": (3, 4, 16, 16),
        "flow": (2, 4, 16, 16),
    }
    assert all(x.dtype == torch.float32 for x in inputs.values())
    assert 0 <= inputs["rgb"].min() < 0.1 < 0.9 < inputs["rgb"].max() <= 1
    assert (target.dtype, target.shape, target.item()) == (torch.int64, (), 1)
    assert set(opened(archive)[0][0]) == {"rgb"}


def test_data_may_be_a_path(archive: Path) -> None:
    assert len(torch_dataset(archive, "train", size=(16, 16))) == len(opened(archive))


@pytest.mark.parametrize(
    ("data", "split", "arguments", "message"),
    [
        (None, "val", {}, '`split` must be one of "train", "validation", "test", not "val"'),
        (None, None, {}, "`split` must be one of"),
        (3, "train", {}, "must be a text or a path, not int"),
        (anetdsl.parse(NETWORK), "train", {}, "must be a text or a path, not Network"),
        (None, "train", {"network": "x.anet"}, "`network` must be Network, not str"),
        (None, "train", {"seed": 1.5}, "`seed` must be a whole number, not 1.5"),
    ],
)
def test_swapped_and_wrong_arguments_are_named(
    archive: Path, data: object, split: object, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(CannotRun, match=re.escape(message)):
        torch_dataset(data or archive, split, **arguments)  # type: ignore[arg-type]


def test_items_are_the_samples_of_the_data_set(archive: Path) -> None:
    dataset = opened(archive, flow=True, seed=3)
    dataset.set_epoch(2)
    sample = dataset.dataset.sample(1, seed=3, epoch=2)
    inputs, _ = dataset[1]
    assert np.array_equal((inputs["rgb"] * 255).round().permute(1, 2, 3, 0), sample.rgb[0])
    assert sample.flow is not None
    assert np.array_equal(inputs["flow"].permute(1, 2, 3, 0), sample.flow[0])


def test_a_network_names_its_inputs(archive: Path) -> None:
    """Flow is opened if it has such an input; an `rgb` input of one channel gets grey frames."""
    text = NETWORK.replace("input rgb channels=3", "input grey channels=1 kind=rgb").replace(
        "[rgb]", "[grey]"
    )
    inputs, _ = opened(archive, network=anetdsl.parse(text))[0]
    assert {name: len(x) for name, x in inputs.items()} == {"grey": 1, "flow": 2}
    rgb = opened(archive)[0][0]["rgb"]
    assert torch.allclose(inputs["grey"][0], rgb.mean(0))


def test_several_labels_and_clips_make_batches() -> None:
    dataset = toy(TWO_CLIPS, multi_label=True)
    assert dataset.multi_label
    inputs, target = dataset[1]
    assert (inputs["rgb"].shape, target.tolist()) == ((2, 3, 3, 8, 8), [1, 0, 1])
    inputs, targets = collate([dataset[1], dataset[2], dataset[4]])
    assert (inputs["rgb"].shape, inputs["flow"].shape) == ((6, 3, 3, 8, 8), (6, 2, 3, 8, 8))
    assert targets.dtype == torch.float32
    assert targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert torch.equal(inputs["rgb"][2:4], dataset[2][0]["rgb"])


def test_the_default_collate_function_makes_the_same_batches() -> None:
    dataset = toy()
    (ours, targets), (theirs, their_targets) = (
        next(iter(DataLoader(dataset, batch_size=3, collate_fn=function)))
        for function in (collate, None)
    )
    assert targets.tolist() == their_targets.tolist() == [0, 1, 2]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_has_names_targets_and_a_length() -> None:
    dataset = toy()
    assert (len(dataset), dataset.classes, dataset.multi_label) == (7, Toy().classes, False)
    assert (dataset.name(-1), dataset.target(5)) == ("video 6.mp4", 2)
    assert len(list(dataset)) == 7  # type: ignore[call-overload]
    for index in (7, -8):
        with pytest.raises(IndexError):
            dataset[index]


def test_workers_read_the_same_clips(archive: Path) -> None:
    """A spawned worker gets the data set pickled, and sees the next epoch while it lives."""
    dataset = opened(archive, flow=True)
    loader = DataLoader(
        dataset,
        batch_size=4,
        collate_fn=collate,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context="spawn",
    )
    for epoch in range(2):
        dataset.set_epoch(epoch)
        batches = list(loader)
        expected = collate([dataset[index] for index in range(4)])
        assert torch.equal(batches[0][0]["rgb"], expected[0]["rgb"])
        assert [len(targets) for _, targets in batches] == [4, 2]
    first = opened(archive)[0][0]["rgb"]
    assert not torch.equal(first, batches[0][0]["rgb"][0])


def test_clips_are_random_for_training_only(archive: Path) -> None:
    def cuts(dataset: VideoClips) -> int:
        found = set()
        for epoch in range(8):
            dataset.set_epoch(epoch)
            found.add(dataset[0][0]["rgb"].numpy().tobytes())
        return len(found)

    assert cuts(opened(archive)) > 2
    assert cuts(opened(archive, training=False)) == 1
    validation = torch_dataset(f"arrays:{archive}", "validation", frames=4, size=(16, 16))
    assert cuts(validation) == 1


def test_unreadable_videos_are_errors_or_replaced(caplog: pytest.LogCaptureFixture) -> None:
    dataset = toy(broken=(2, 3, 6))
    with pytest.raises(VideoError, match=r"video 2\.mp4"):
        dataset[2]
    dataset.replace_unreadable = True
    with caplog.at_level(logging.WARNING, "anetc.data"):
        assert torch.equal(dataset[2][0]["rgb"], dataset[4][0]["rgb"])
        assert torch.equal(dataset[6][0]["rgb"], dataset[0][0]["rgb"])
    assert "video 3.mp4" in caplog.text
    broken = toy(broken=tuple(range(7)))
    broken.replace_unreadable = True
    with pytest.raises(CannotRun, match="none of the 7 videos"):
        broken[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frame": 4}, "torch_dataset: there is no setting `frame`; did you mean `frames`"),
        ({"frames": 0}, "torch_dataset: `frames` must be at least 1"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: dict[str, object], message: str, archive: Path
) -> None:
    with pytest.raises(CannotRun, match=message):
        torch_dataset(f"arrays:{archive}", "train", **arguments)  # type: ignore[arg-type]


def test_videos_of_a_folder(folder: Path) -> None:
    """The formats of videos, with flow that is computed."""
    dataset = anetc.torch_dataset(
        str(folder), "train", flow=True, frames=2, size=(16, 16), crop_area=(0.5, 1)
    )
    inputs, targets = anetc.collate([dataset[0], dataset[3]])
    assert (inputs["rgb"].shape, inputs["flow"].shape) == ((2, 3, 2, 16, 16), (2, 2, 2, 16, 16))
    assert [dataset.classes[target] for target in targets] == ["jump", "run"]
