"""Prediction files: exact round trips, scoring by own labels or by a data set, error messages."""

from __future__ import annotations

import math
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetc.evaluation.metrics import charades_precision
from anetc.evaluation.predictions.prediction_files import read_predictions, write_predictions
from anetc.evaluation.predictions.rows import Predictions
from anetc.evaluation.predictions.scoring import score_by_dataset, score_by_own_labels
from anetc.evaluation.scores import Evaluation
from anetdsl.errors import CannotRun
from tests.evaluation.test_metrics import official
from tests.training.toys import Toy

NAN = math.nan
HEAD = '{"schema": "anetdsl-predictions", "schema_version": 1, "classes": ["jog", "walk"]}\n'


@st.composite
def evaluations(draw: st.DrawFn, *, spaces: bool = True) -> Evaluation:
    """Draw evaluations with any names and scores, also NaN, with single or multiple labels."""
    classes = draw(st.integers(1, 4))
    text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
    if not spaces:
        text = text.map(lambda name: "".join(name.split()) or "x")
    names = draw(st.lists(text, min_size=1, max_size=5, unique=True))
    rows = st.lists(st.floats(width=64), min_size=classes, max_size=classes)
    nothing = st.just([NAN] * classes)
    scores = np.array([draw(nothing | rows) for _ in names], np.float64)
    if draw(st.booleans()):
        targets = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=5, max_size=5)))
        labels = targets[: len(names)].astype(np.int64)
    else:
        flags = st.lists(st.booleans(), min_size=classes, max_size=classes)
        labels = np.array([draw(flags) for _ in names], np.float64)
    kinds = draw(st.lists(text, min_size=classes, max_size=classes, unique=True))
    failed = [name for name, row in zip(names, scores) if np.isnan(row).all()]
    return Evaluation(tuple(names), scores, labels, tuple(kinds), tuple(failed))


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@given(evaluation=evaluations())
def test_files_are_read_back_exactly(
    suffix: str, evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Names, targets and classes are equal, scores bit for bit; a CSV does not say "logits"."""
    path = tmp_path_factory.mktemp("files") / f"p{suffix}"
    write_predictions(path, evaluation, {"network": "asn"})
    found = score_by_own_labels(read_predictions(path), path)
    assert found.names == evaluation.names
    assert found.classes == evaluation.classes
    assert found.failed == evaluation.failed
    assert found.targets.dtype == evaluation.targets.dtype
    np.testing.assert_array_equal(found.targets, evaluation.targets)
    np.testing.assert_array_equal(found.logits, evaluation.logits)
    assert found.are_logits == (suffix == ".jsonl")


@given(evaluation=evaluations(spaces=False))
def test_submission_round_trip(
    evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A submission holds the videos that have scores, and no others."""
    path = tmp_path_factory.mktemp("files") / "p.txt"
    write_predictions(path, evaluation)
    kept = [i for i, name in enumerate(evaluation.names) if name not in evaluation.failed]
    if not kept:
        with pytest.raises(CannotRun, match="contains no predictions"):
            read_predictions(path)
        return
    found = read_predictions(path)
    assert found.names == tuple(evaluation.names[i] for i in kept)
    np.testing.assert_array_equal(found.scores, evaluation.logits[kept])


def test_other_values_of_the_first_object_are_kept(tmp_path: Path) -> None:
    evaluation = Evaluation(("a",), np.zeros((1, 1)), np.zeros(1, np.int64), ("x",))
    write_predictions(tmp_path / "p.jsonl", evaluation, {"network": "asn", "seed": 3})
    assert read_predictions(tmp_path / "p.jsonl").about == {"network": "asn", "seed": 3}


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    evaluation = Evaluation(("\udcff.mp4",), np.zeros((1, 1)), np.zeros(1, np.int64), ("é",))
    for name in ("p.jsonl", "p.csv", "p.txt"):
        write_predictions(tmp_path / name, evaluation)
        assert read_predictions(tmp_path / name).names == ("\udcff.mp4",)


# Scoring by the labels of a data set


def submission(path: Path, rows: dict[str, list[float]]) -> Path:
    path.write_text("".join(f"{k} {' '.join(map(repr, v))}\n" for k, v in rows.items()))
    return path


@attrs.frozen(eq=False)
class Listed(Toy):
    """A data set whose names have no spaces, as those of Charades."""

    def name(self, index: int) -> str:
        return f"V{index}"


def test_score_by_dataset_equals_the_official_script(tmp_path: Path) -> None:
    """With ties, an unlabelled video (4), a missing video (2) and an unknown one."""
    dataset = Listed(multi_label=True)
    rows = {f"V{i}": [0.5, i % 2 / 2, 0.1 * i] for i in (6, 0, 1, 3, 4, 5)}
    path = submission(tmp_path / "p.txt", {**rows, "V77": [9.0, 9.0, 9.0]})
    evaluation, unknown = score_by_dataset(read_predictions(path), dataset, path)
    truth = {f"V{i}": np.flatnonzero(dataset.target(i)).tolist() for i in range(7)}
    ap_all, mean, weighted = official(truth, rows, 3)
    precision = charades_precision(evaluation.logits, evaluation.targets.astype(float))
    assert precision.per_class == pytest.approx(ap_all, abs=1e-9)
    assert (precision.mean, precision.weighted) == pytest.approx((mean, weighted), abs=1e-9)
    assert unknown == ("V77",)
    assert evaluation.failed == ("V2",)
    assert "loss" not in dict(evaluation.score().values)


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    """The file may have the classes in another order, and other classes between them."""
    path = tmp_path / "p.csv"
    path.write_text("name,sit down,other,walk,jog\nV0,1,9,3,2\n")
    evaluation, _ = score_by_dataset(read_predictions(path), Listed(count=1), path)
    assert evaluation.logits.tolist() == [[3, 2, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("V0 1 2\n", "the file has scores of 2 classes, but the data have 3"),
        ("W0 1 2 3\n", "none of its videos is in the test split; its first video is `W0`, .* `V0`"),
    ],
)
def test_predictions_of_other_data_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.txt"
    path.write_text(text)
    with pytest.raises(CannotRun, match=message):
        score_by_dataset(read_predictions(path), Listed(), path)


def test_a_class_without_scores_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("name,walk,jog,run\nV0,1,2,3\n")
    with pytest.raises(CannotRun, match="no scores of the class `sit down`"):
        score_by_dataset(read_predictions(path), Listed(), path)


class CountingName(str):
    """A name that counts how often it is hashed."""

    hashed = 0

    def __hash__(self) -> int:
        type(self).hashed += 1
        return super().__hash__()


@attrs.frozen(eq=False)
class Counted(Toy):
    """A data set whose names count how often they are hashed."""

    def name(self, index: int) -> str:
        return CountingName(f"V{index}")


@pytest.mark.parametrize("count", [50, 400])
def test_scoring_by_a_dataset_takes_linear_time(count: int) -> None:
    """Each name is hashed a few times, however many videos there are."""
    names = tuple(CountingName(f"V{index + count // 2}") for index in range(count))
    predictions = Predictions(names, np.zeros((count, 3)), None, None, are_logits=True)
    CountingName.hashed = 0
    evaluation, unknown = score_by_dataset(predictions, Counted(count=count), "p.txt")
    assert CountingName.hashed <= 10 * count
    assert unknown == names[count - count // 2 :]
    assert evaluation.failed == tuple(f"V{index}" for index in range(count // 2))


# Errors

JSON_MISTAKES = [
    ("", "the file is empty"),
    ('{"name": "a"}\n', r":1: the file must start with \{\"schema\""),
    (
        HEAD.replace(": 1,", ": 2,"),
        ":1: schema version 2 is not supported",
    ),
    (HEAD.replace('"walk"', '"jog"'), ":1: `classes` must be a list of different names"),
    (HEAD.replace('["jog", "walk"]', "[]"), ":1: `classes` must be a list of different names"),
    (HEAD, "the file contains no predictions"),
    (HEAD + "\n{not json\n", ":3: the line is not valid JSON"),
    (HEAD + "[" * 100_000, ":2: the line is not valid JSON"),
    (HEAD + "[1]\n", ":2: a line must be a JSON object"),
    (HEAD + '{"logits": [1, 2]}\n', ":2: a row must start with the name of a video"),
    (HEAD + '{"name": "a"}\n', ":2: a video must have either `logits` or `scores`"),
    (HEAD + '{"name": "a", "logit": [1, 2]}\n', ":2: unknown key `logit` of a video"),
    (HEAD + '{"name": "a", "logits": [1]}\n', ":2: 1 scores, but there are 2 classes"),
    (HEAD + '{"name": "a", "logits": [1, "2"]}\n', ":2: scores must be a list of numbers, or null"),
    (HEAD + f'{{"name": "a", "logits": [1, {10**400}]}}\n', ":2: scores must be a list of numbers"),
    (
        HEAD + '{"name": "a", "logits": [1, true]}\n',
        ":2: scores must be a list of numbers, or null",
    ),
    (
        HEAD + '{"name": "a", "target": 2, "logits": [1, 2]}\n',
        ":2: there is no class 2; classes are 0 to 1",
    ),
    (HEAD + '{"name": "a", "target": -1, "logits": [1, 2]}\n', ":2: there is no class -1"),
    (
        HEAD + '{"name": "a", "target": true, "logits": [1, 2]}\n',
        ":2: `target` must be a class",
    ),
    (HEAD + '{"name": "a", "targets": [0.5], "logits": [1, 2]}\n', ":2: `targets` must be a list"),
    (
        HEAD + '{"name": "a", "target": 0, "targets": [0], "logits": [1, 2]}\n',
        ":2: a video must not",
    ),
    (
        HEAD + '{"name": "a", "logits": null}\n' * 2,
        ":3: the video `a` occurs twice, the first time in line 2",
    ),
    (
        HEAD + '{"name": "a", "target": 0, "logits": null}\n{"name": "b", "logits": null}\n',
        ":3: either all videos must have labels or none",
    ),
    (
        HEAD + '{"name": "b", "logits": null}\n{"name": "a", "target": 0, "logits": null}\n',
        ":3: either all videos must have labels or none",
    ),
    (
        HEAD
        + '{"name": "a", "target": 0, "logits": null}\n'
        + '{"name": "b", "targets": [0], "logits": null}\n',
        ":3: either all videos must have one label or all a list of labels",
    ),
]
CSV_MISTAKES = [
    ("", "the file is empty"),
    ("video,a,b\n", ":1: the header must be `name`"),
    ("name,target\n", ":1: the header must be `name`"),
    ("name,a,a\n", ":1: the header must be `name`"),
    ("name,a\n", "the file contains no predictions"),
    ("name,a,b\nx,1\n", ":2: 1 scores, but there are 2 classes"),
    ("name,a,b\nx,1,0x3\n", ":2: `0x3` is not a number"),
    ("name,target,a\nx,y,1\n", ":2: `y` must be class numbers"),
    ("name,target,a\nx,0;0,1\n", ":2: `0;0` must be one class number"),
    ("name,target,a\nx,,1\n", ":2: `` must be one class number"),
    ("name,targets,a,b\nx,0;2,1,1\n", ":2: there is no class 2; classes are 0 to 1"),
    ('name,a\n"x\ny",1\n"x\ny",2\n', ":5: the video `x\ny` occurs twice, the first time in line 3"),
    (f"name,{'a' * 200_000}\n", ":1: the file is not valid CSV"),
]
TEXT_MISTAKES = [
    ("", "the file contains no predictions"),
    ("AB12 1 2\nCD34\n", ":2: a line must hold the id of a video and its scores"),
    ("AB12 1 2\n\nCD34 1 2 3\n", ":3: 3 scores, but there are 2 classes"),
    ("AB12 1 2\nCD34 1 two\n", ":2: `two` is not a number"),
    ("AB12 1 2\nAB12 1 2\n", ":2: the video `AB12` occurs twice, the first time in line 1"),
]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("p.jsonl", *case) for case in JSON_MISTAKES]
    + [("p.csv", *case) for case in CSV_MISTAKES]
    + [("p.txt", *case) for case in TEXT_MISTAKES],
)
def test_errors_name_their_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CannotRun, match=message):
        read_predictions(tmp_path / name)


def test_a_file_without_labels_needs_data(tmp_path: Path) -> None:
    path = submission(tmp_path / "p.txt", {"V0": [1, 2]})
    with pytest.raises(
        CannotRun, match="contains no labels; pass the data that have them with --data"
    ):
        score_by_own_labels(read_predictions(path), path)


def test_formats_refuse_what_they_cannot_hold(tmp_path: Path) -> None:
    zeros = np.zeros((1, 1))
    spaces = Evaluation(("a b",), zeros, np.zeros(1, np.int64), ("x",))
    with pytest.raises(CannotRun, match="so it cannot hold `a b`; write"):
        write_predictions(tmp_path / "p.txt", spaces)
    with pytest.raises(CannotRun, match=r"a prediction file must end in \.jsonl, \.csv, or \.txt"):
        write_predictions(tmp_path / "p.npz", spaces)
    with pytest.raises(CannotRun, match="no such file"):
        read_predictions(tmp_path / "missing.csv")
    assert not list(tmp_path.iterdir())
