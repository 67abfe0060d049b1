"""Folds over groups: which videos are for training and validation, and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anetc.api.search_settings import Options, new_settings
from anetc.data.folds import fold_specs, with_all_groups, with_fold
from anetc.data.open import open_data
from anetc.data.relabelled import relabelled
from anetc.data.spec import parse_spec, spec_text
from anetc.data.values import groups_of
from anetdsl.errors import CannotRun
from tests.data.test_arrays import WHOLE, example_arrays
from tests.data.test_folder import names, opened, touch

SUBJECTS = np.array([1, 3, 5, 2, 3])


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    np.savez(tmp_path / "x.npz", **example_arrays(subj=SUBJECTS))
    return tmp_path / "x.npz"


def subjects(archive: Path, options: str, split: Any) -> list[int]:
    data = open_data(parse_spec(f"arrays:{archive}?{options}"), split, WHOLE, flow=False)
    groups = groups_of(data)
    assert groups is not None
    return list(map(int, groups))


def test_each_subject_of_an_archive_validates_in_turn(archive: Path) -> None:
    for fold, train in (("1", [3, 5, 3]), ("3", [1, 5]), ("5", [1, 3, 3])):
        options = f"folds=1,3,5&fold={fold}&test=2"
        assert subjects(archive, options, "train") == train
        assert set(subjects(archive, options, "validation")) == {int(fold)}
        assert subjects(archive, options, "test") == [2]


def test_specs_of_folds_and_the_fold_of_a_seed(archive: Path) -> None:
    spec = parse_spec(f"arrays:{archive}?folds=1,3,5&test=2")
    found = fold_specs(spec)
    assert [dict(one.options)["fold"] for one in found] == ["1", "3", "5"]
    assert [with_fold(spec, seed) for seed in range(4)] == [*found, found[0]]
    assert parse_spec(spec_text(found[1])) == found[1]
    assert fold_specs(found[1]) == (found[1],)
    plain = parse_spec(f"arrays:{archive}")
    assert with_fold(plain, 3) == plain


def test_all_groups_of_the_folds_train(archive: Path) -> None:
    spec = with_all_groups(parse_spec(f"arrays:{archive}?folds=1,3,5&test=2"))
    assert spec_text(spec).endswith("?folds=1,3,5&test=2&fold=all")
    assert subjects(archive, "folds=1,3,5&test=2&fold=all", "train") == [1, 3, 5, 3]
    assert subjects(archive, "folds=1,3,5&test=2&fold=all", "test") == [2]
    with pytest.raises(CannotRun, match="the validation split is empty"):
        subjects(archive, "folds=1,3,5&test=2&fold=all", "validation")
    assert with_all_groups(spec) == spec


def test_inherited_weights_and_folds_exclude_each_other(archive: Path) -> None:
    """A child would start from weights that were trained on its validation clips."""
    data = f"arrays:{archive}?folds=1,3,5&test=2"
    new_settings("small", None, Options(data, None, {}, {}, {}, {}, {"inherit": False}))
    with pytest.raises(CannotRun, match="such as train=1,3&validation=5,7, or do without"):
        new_settings("small", None, Options(data, None, {}, {}, {}, {}, {"inherit": True}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("folds=1,3,5", "choose the group that validates by fold=, one of 1, 3, 5"),
        ("folds=1,3,5&fold=2", "fold=2 is none of the folds; there are 1, 3, 5"),
        ("fold=1", "fold= needs folds="),
        ("folds=1", "two groups or more"),
        ("folds=1,3,1&fold=1", "folds= names a group twice"),
        ("folds=1,9&fold=1", "no video is of the group 9 of folds=; there are 1, 2, 3, 5"),
        ("folds=1,3&fold=1&validation=5", "validation= cannot be used with folds="),
        ("folds=1,3&fold=1&test=3", "subject 3 is in two splits"),
    ],
)
def test_mistakes(options: str, message: str, archive: Path) -> None:
    with pytest.raises(CannotRun) as found:
        open_data(parse_spec(f"arrays:{archive}?{options}"), "train", WHOLE, flow=False)
    assert message in str(found.value)


def test_groups_of_a_folder_validate_in_turn(tmp_path: Path) -> None:
    files = [f"{label}/{who}_{n}.mp4" for label in "xy" for who in "abc" for n in range(3)]
    touch(tmp_path, *files)
    options = r"?group=(\w)_&folds=a,b&test=0&fold="
    for fold, other in (("a", "b"), ("b", "a")):
        validation = opened(tmp_path, "validation", options + fold)
        assert names(validation) == [name for name in files if f"/{fold}_" in name]
        assert groups_of(validation) == (fold,) * 6
        training = names(opened(tmp_path, "train", options + fold))
        assert sorted(training) == [name for name in files if f"/{other}_" in name or "c_" in name]
    with pytest.raises(CannotRun, match="folds= needs group=PATTERN"):
        opened(tmp_path, "train", "?folds=a,b&fold=a")


def test_training_videos_in_split_folders_validate_in_turn(tmp_path: Path) -> None:
    touch(tmp_path, "train/x/a_1.mp4", "train/y/b_1.mp4", "train/x/b_2.mp4", "test/x/c_1.mp4")
    options = r"?group=(\w)_&folds=a,b&fold=a"
    assert names(opened(tmp_path, "validation", options)) == ["train/x/a_1.mp4"]
    assert sorted(names(opened(tmp_path, "train", options))) == [
        "train/x/b_2.mp4",
        "train/y/b_1.mp4",
    ]
    assert names(opened(tmp_path, "test", options)) == ["test/x/c_1.mp4"]
    touch(tmp_path, "validation/x/d_1.mp4")
    with pytest.raises(CannotRun, match="the data have a validation folder"):
        opened(tmp_path, "train", options)


def test_groups_go_through_other_classes(archive: Path) -> None:
    """A data set with other numbers of its classes still knows its groups."""
    data = open_data(parse_spec(f"arrays:{archive}"), "train", WHOLE, flow=False)
    other = relabelled(data, ("a", "b", "c", "d"), (3, 1, 0))
    assert groups_of(other) == groups_of(data) == ("1", "3", "5", "2", "3")
