"""Classes that exchange their places in mirrored clips."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from anetc.data.formats.arrays import ArrayDataset
from anetc.data.mirrored_classes import class_pairs, exchange_classes
from anetc.data.open import open_data
from anetc.data.recipes import ClipSettings, recipes_from_json, recipes_of, recipes_to_json
from anetc.data.values import Dataset, DataSpec, Sample
from anetc.evaluation.protocols import stored_frames
from anetc.video.clips import MirroredClasses, Recipe
from anetdsl.errors import CannotRun

CLASSES = ("stand", "turn left", "turn right", "Push_Left", "Push_Right", "leftover", "rightover")
WORDS = MirroredClasses(words=("left", "right"))


@pytest.fixture
def clips(tmp_path: Path) -> DataSpec:
    """Bright halves: each clip is bright on the side that its class names."""
    y = np.arange(20) % 3
    x = np.zeros((20, 2, 8, 8, 3), np.uint8)
    x[y == 1, :, :, :4] = 200
    x[y == 2, :, :, 4:] = 200
    path = tmp_path / "sides.npz"
    np.savez(path, x=x, y=y, classes=np.array(CLASSES[:3]))
    return DataSpec("arrays", str(path))


def recipe(**settings: object) -> Recipe:
    made = recipes_of(
        DataSpec("arrays", "x"),
        ClipSettings(frames=2, size=(8, 8), **settings),  # type: ignore[arg-type]
    )
    return made.train


def test_words_exchange_classes_that_differ_only_in_them() -> None:
    """As words, also in capital letters and between underscores; not as parts of words."""
    assert class_pairs(CLASSES, WORDS) == [(1, 2), (3, 4)]


def test_pairs_have_precedence_over_words() -> None:
    pairs = MirroredClasses(WORDS.words, (("turn left", "stand"),))
    assert class_pairs(CLASSES, pairs) == [(0, 1), (3, 4)]


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        (MirroredClasses(pairs=(("turn left", "turn rihgt"),)), "did you mean turn right"),
        (MirroredClasses(pairs=(("stand", "turn left"), ("stand", "leftover"))), "in two pairs"),
        (MirroredClasses(words=("links", "rechts")), "no two classes differ only in the words"),
    ],
)
def test_wrong_maps_are_refused(mirror: MirroredClasses, message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        class_pairs(CLASSES, mirror)


def test_mirrored_clips_have_the_other_class(clips: DataSpec) -> None:
    """The bright side of every clip is that of its class, mirrored or not."""
    dataset = open_data(clips, "train", recipe(mirror_words=("left", "right")), flow=False)
    mirrored = 0
    for epoch in range(3):
        for index in range(len(dataset)):
            sample = dataset.sample(index, seed=0, epoch=epoch)
            left, right = sample.rgb[..., :4, :].max(), sample.rgb[..., 4:, :].max()
            assert sample.target == (0 if left == right else 1 if left > right else 2)
            mirrored += sample.flipped == (True,)
    assert 15 < mirrored < 45
    assert [dataset.target(index) for index in range(3)] == [0, 1, 2]


def test_clips_are_those_of_mirroring_alone(clips: DataSpec) -> None:
    with_map = open_data(clips, "train", recipe(mirror_words=("left", "right")), flow=True)
    without = open_data(clips, "train", recipe(flip=True), flow=True)
    for index in range(6):
        one, other = (data.sample(index, seed=1, epoch=2) for data in (with_map, without))
        assert np.array_equal(one.rgb, other.rgb)
        assert one.flow is not None
        assert other.flow is not None
        assert np.array_equal(one.flow, other.flow)


def test_clips_of_an_archive_have_no_frame_rate(clips: DataSpec) -> None:
    """Also with exchanged classes: what a network was trained on says so."""
    dataset = open_data(clips, "train", recipe(mirror_words=("left", "right")), flow=False)
    assert stored_frames(dataset) == 2


@pytest.fixture
def without_partner(tmp_path: Path) -> DataSpec:
    """Noise of the classes "turn left", "turn right" and "wave left"."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (24, 2, 8, 8, 3), np.uint8)
    path = tmp_path / "waves.npz"
    classes = np.array(["turn left", "turn right", "wave left"])
    np.savez(path, x=x, y=np.arange(24) % 3, classes=classes)
    return DataSpec("arrays", str(path))


def test_a_class_without_partner_is_not_mirrored(
    without_partner: DataSpec, caplog: pytest.LogCaptureFixture
) -> None:
    """Its clips are those without mirroring, pixels and flow; the warning names the class."""
    settings = {"mirror_words": ("left", "right")}
    with_map = open_data(without_partner, "train", recipe(**settings), flow=True)
    (message,) = caplog.messages
    assert message.startswith("mirrored classes: 'wave left': no class has this name with")
    plain = open_data(without_partner, "train", recipe(), flow=True)
    mirrored = 0
    for index in range(len(with_map)):
        one, other = (data.sample(index, seed=1, epoch=0) for data in (with_map, plain))
        mirrored += one.flipped == (True,)
        if other.target == 2:
            assert (one.target, one.flipped) == (2, (False,))
            assert np.array_equal(one.rgb, other.rgb)
            assert one.flow is not None
            assert other.flow is not None
            assert np.array_equal(one.flow, other.flow)
    assert mirrored > 0


def test_a_named_partner_makes_a_class_mirrored(
    without_partner: DataSpec, caplog: pytest.LogCaptureFixture
) -> None:
    """A class may be its own partner: then its mirrored clips have the same class."""
    settings = {"mirror_words": ("left", "right"), "mirror_classes": (("wave left", "wave left"),)}
    dataset = open_data(without_partner, "train", recipe(**settings), flow=False)
    assert caplog.messages == []
    samples = [dataset.sample(k, seed=0, epoch=e) for e in range(3) for k in range(len(dataset))]
    assert any(sample.target == 2 and sample.flipped == (True,) for sample in samples)


def test_videos_with_a_label_without_partner_are_not_mirrored(without_partner: DataSpec) -> None:
    inner = open_data(without_partner, "train", recipe(flip=True), flow=False)

    class Labels(ArrayDataset):
        """Each clip turns left; every second one waves left, too."""

        def target(self, index: int) -> np.ndarray:  # type: ignore[override, type-arg]
            return np.array([1, 0, index % 2], np.float32)

    assert isinstance(inner, ArrayDataset)
    several = Labels(**attrs.asdict(attrs.evolve(inner, multi_label=True), recurse=False))
    dataset = exchange_classes(several, WORDS)  # type: ignore[arg-type]
    turned = 0
    for index in range(len(dataset)):
        sample = dataset.sample(index, seed=0, epoch=0)
        turned += sample.flipped[0]
        expected = [1, 0, 1] if index % 2 else [0, 1, 0] if sample.flipped[0] else [1, 0, 0]
        assert np.array_equal(sample.target, expected)
        assert not (index % 2 and sample.flipped[0])
    assert turned > 0


def test_several_labels_are_exchanged(clips: DataSpec) -> None:
    inner = open_data(clips, "train", recipe(flip=True), flow=False)

    class Labels(ArrayDataset):
        """The clips of the archive, with several labels each."""

        def target(self, index: int) -> np.ndarray:  # type: ignore[override, type-arg]
            return np.array([1, index % 2, 0], np.float32)

    assert isinstance(inner, ArrayDataset)
    several = Labels(**attrs.asdict(attrs.evolve(inner, multi_label=True), recurse=False))
    dataset = exchange_classes(several, WORDS)  # type: ignore[arg-type]
    for index in range(8):
        sample = dataset.sample(index, seed=0, epoch=0)
        place = 2 if sample.flipped[0] else 1
        expected = np.zeros(3)
        expected[[0, place]] = 1, index % 2
        assert np.array_equal(sample.target, expected)


def test_a_format_must_report_mirrored_clips(clips: DataSpec) -> None:
    inner = open_data(clips, "train", recipe(flip=True), flow=False)

    class Silent(ArrayDataset):
        """The clips of the archive, without the report."""

        def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
            return attrs.evolve(super().sample(index, seed=seed, epoch=epoch), flipped=())

    assert isinstance(inner, ArrayDataset)
    dataset: Dataset = exchange_classes(
        Silent(**attrs.asdict(inner, recurse=False)),  # type: ignore[arg-type]
        WORDS,
    )
    with pytest.raises(CannotRun, match="does not report which clips are mirrored"):
        dataset.sample(0, seed=0, epoch=0)


# Settings


def test_a_map_turns_mirroring_on() -> None:
    assert recipe(mirror_words=("left", "right")).flip
    assert recipe(mirror_classes=(("a", "b"),)).flip
    assert not recipe().flip
    with pytest.raises(CannotRun, match="no effect without mirroring"):
        ClipSettings(flip=False, mirror_words=("left", "right"))


def test_augmentation_is_for_training_clips_and_can_be_json() -> None:
    given = {
        "crop_area": [0.5, 1],
        "hue": 0.1,
        "mirror_classes": [["turn left", "turn right"]],
        "mirror_words": ["left", "right"],
    }
    recipes = recipes_from_json(DataSpec("arrays", "x"), given, "x")
    document = recipes_to_json(recipes)
    assert document["train"]["augment"]["crop_area"] == (0.5, 1)
    assert document["train"]["mirror"]["pairs"] == (("turn left", "turn right"),)
    assert {"augment", "mirror"}.isdisjoint(document["validation"])
    assert recipes.train.augment.hue == 0.1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crop_area": [1, 0.5]}, "x: `crop_area` must be two numbers above 0"),
        ({"crop_area": 0.5}, "x: `crop_area` must be a list of 2 numbers"),
        ({"crop_aspect": [1, 2]}, "x: `crop_aspect` has no effect without `crop_area`"),
        ({"saturation": 2}, "x: `saturation` must be from 0 to 1"),
        ({"mirror_words": ["left"]}, "x: `mirror_words` must be a list of 2 strings"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        recipes_from_json(DataSpec("arrays", "x"), wrong, "x")
