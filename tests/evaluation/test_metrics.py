"""Top-k accuracy, and the average precision of Charades against the official script."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anetc.evaluation.metrics import (
    charades_precision,
    class_top_k,
    confusion_matrix,
    target_ranks,
    top_k,
    unranked,
)

NAN = math.nan


# Top-k


def test_top_k_of_an_example_computed_by_hand() -> None:
    scores = np.array(
        [[3, 2, 1, 0, -1, -2], [0, 5, 4, 3, 2, 1], [1, 1, 1, 1, 1, 1], [9, 8, 7, 6, 5, 4]], float
    )
    targets = np.array([0, 5, 2, 5])
    assert target_ranks(scores, targets).tolist() == [0, 4, 2, 5]
    assert top_k(scores, targets, 1) == 0.25
    assert top_k(scores, targets, 5) == 0.75
    assert class_top_k(scores, targets, 5)[[0, 2, 5]].tolist() == [1, 1, 0.5]
    assert np.isnan(class_top_k(scores, targets, 5)[[1, 3, 4]]).all()


def test_k_is_at_most_the_number_of_classes() -> None:
    """With fewer than five classes, top-5 is the fraction of videos without NaN scores."""
    scores = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [NAN, 1.0, 0.0]])
    assert top_k(scores, np.array([0, 0, 1]), 5) == pytest.approx(2 / 3)


def test_a_nan_makes_a_video_wrong_for_every_k() -> None:
    scores = np.array([[NAN, 9.0], [0.0, 9.0], [NAN, NAN]])
    targets = np.array([1, 1, 0])
    assert unranked(scores).tolist() == [True, False, True]
    assert top_k(scores, targets, 1) == top_k(scores, targets, 2) == pytest.approx(1 / 3)
    assert confusion_matrix(scores, targets).tolist() == [[0, 0], [0, 1]]


def test_infinite_scores_are_ranked() -> None:
    scores = np.array([[math.inf, 1.0, -math.inf]])
    assert [int(target_ranks(scores, np.array([c]))[0]) for c in range(3)] == [0, 1, 2]


@st.composite
def scored(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw scores from few values, so that ties are frequent."""
    videos, classes = draw(st.integers(1, 8)), draw(st.integers(1, 7))
    values = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0, math.inf])
    row = st.lists(values, min_size=classes, max_size=classes)
    scores = draw(st.lists(row, min_size=videos, max_size=videos))
    targets = draw(st.lists(st.integers(0, classes - 1), min_size=videos, max_size=videos))
    return np.array(scores, np.float64), np.array(targets, np.int64)


@given(scored())
def test_ranks_are_positions_in_a_stable_sort(case: tuple[NDArray, NDArray]) -> None:
    scores, targets = case
    order = np.argsort(-scores, axis=1, kind="stable")
    places = [int(np.flatnonzero(row == target)[0]) for row, target in zip(order, targets)]
    assert target_ranks(scores, targets).tolist() == places


@given(scored())
def test_metrics_agree_with_each_other(case: tuple[NDArray, NDArray]) -> None:
    """Top-1 is the diagonal of the confusion matrix; top-k rises with k."""
    scores, targets = case
    matrix = confusion_matrix(scores, targets)
    assert matrix.sum() == len(targets)
    assert top_k(scores, targets, 1) == pytest.approx(np.trace(matrix) / len(targets))
    assert matrix.sum(axis=1).tolist() == np.bincount(targets, minlength=len(matrix)).tolist()
    shares = [top_k(scores, targets, k) for k in range(1, scores.shape[1] + 1)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    per_class = np.nan_to_num(class_top_k(scores, targets, 2)) * matrix.sum(axis=1)
    assert per_class.sum() / len(targets) == pytest.approx(top_k(scores, targets, 2))


@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        (np.zeros((2, 3)), np.array([0])),
        (np.zeros((2, 3)), np.array([0, 3])),
        (np.zeros((2, 3)), np.array([-1, 0])),
        (np.zeros(3), np.array([0, 0, 0])),
        (np.zeros((0, 3)), np.zeros(0, np.int64)),
        (np.zeros((2, 0)), np.array([0, 0])),
    ],
)
def test_wrong_shapes_and_targets_are_refused(scores: NDArray, targets: NDArray) -> None:
    with pytest.raises(ValueError, match=r"targets|videos"):
        top_k(scores, targets, 1)


# Charades


def official(
    truth: dict[str, list[int]], submission: dict[str, list[float]], classes: int
) -> tuple[list[float], float, float]:
    """Compute the AP of each class, MAP and WAP as Charades_v1_classify.m does, with loops.

    Scores start at -inf. The script does not store the id of a video without actions, so it finds
    no scores for that video in the submission; nor does it for a video that was not submitted.
    MATLAB's `sort` is stable and puts NaN last. `mean` and `sum` are NaN if a value is NaN.
    """
    count = len(truth)
    gtlabel = [[0.0] * classes for _ in range(count)]
    test = [[-math.inf] * classes for _ in range(count)]
    for i, (video, actions) in enumerate(truth.items()):
        stored_id = video if actions else None
        for action in actions:
            gtlabel[i][action] = 1.0
        if stored_id in submission:
            test[i] = list(submission[stored_id])
    ap_all = []
    for c in range(classes):
        conf = [-row[c] for row in test]
        labels = [row[c] for row in gtlabel]
        numbers = [i for i in range(count) if not math.isnan(conf[i])]
        sortind = sorted(numbers, key=lambda i: conf[i])  # Python's sort is stable, too
        sortind += [i for i in range(count) if math.isnan(conf[i])]
        npos = sum(label == 1 for label in labels)
        tp = fp = 0
        ap = 0.0
        for i in sortind:
            tp += labels[i] == 1
            fp += labels[i] != 1
            if labels[i] == 1:
                ap += tp / (fp + tp)
        ap_all.append(ap / npos if npos else NAN)
    sums = [sum(row[c] for row in gtlabel) for c in range(classes)]
    weighted = [ap * total for ap, total in zip(ap_all, sums)]
    total = sum(sums)
    return ap_all, sum(ap_all) / classes, sum(weighted) / total if total else NAN


def as_arrays(
    truth: dict[str, list[int]], submission: dict[str, list[float]], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores = np.full((len(truth), classes), -np.inf)
    labels = np.zeros((len(truth), classes))
    for i, (video, actions) in enumerate(truth.items()):
        labels[i, actions] = 1
        scores[i] = submission.get(video, -np.inf)
    return scores, labels


def agree(got: float, expected: float) -> bool:
    return (math.isnan(got) and math.isnan(expected)) or abs(got - expected) <= 1e-9


@st.composite
def competitions(draw: st.DrawFn) -> tuple[dict[str, list[int]], dict[str, list[float]], int]:
    """Draw scores with ties and NaN, videos without actions and videos that are not submitted."""
    classes = draw(st.integers(1, 4))
    score = st.sampled_from([-math.inf, -2.0, 0.0, 0.1, 0.1 + 1e-15, 1.0, math.inf, NAN])
    truth: dict[str, list[int]] = {}
    submission: dict[str, list[float]] = {}
    for i in range(draw(st.integers(1, 12))):
        truth[f"v{i}"] = draw(st.lists(st.integers(0, classes - 1), max_size=3))
        if draw(st.integers(0, 4)):
            submission[f"v{i}"] = draw(st.lists(score, min_size=classes, max_size=classes))
    submission["unknown"] = [1.0] * classes
    return truth, submission, classes


@given(competitions())
def test_average_precision_equals_the_official_script(
    case: tuple[dict[str, list[int]], dict[str, list[float]], int],
) -> None:
    truth, submission, classes = case
    ap_all, mean, weighted = official(*case)
    result = charades_precision(*as_arrays(truth, submission, classes))
    assert all(agree(float(got), want) for got, want in zip(result.per_class, ap_all, strict=True))
    assert agree(result.mean, mean)
    assert agree(result.weighted, weighted)
    present = [ap for ap in ap_all if not math.isnan(ap)]
    assert agree(result.mean_present, sum(present) / len(present) if present else NAN)
    assert result.absent == tuple(c for c, ap in enumerate(ap_all) if math.isnan(ap))


@pytest.mark.parametrize("digits", [17, 1])
def test_average_precision_at_the_real_size(digits: int) -> None:
    """600 videos and 157 classes; with one digit nearly all scores are ties."""
    rng = np.random.default_rng(5)
    scores = np.round(rng.random((600, 157)), digits)
    labels = rng.random((600, 157)) < 0.05
    labels[::25] = False
    truth = {f"v{i}": np.flatnonzero(row).tolist() for i, row in enumerate(labels)}
    submission = {f"v{i}": row.tolist() for i, row in enumerate(scores) if i % 17}
    ap_all, mean, weighted = official(truth, submission, 157)
    result = charades_precision(*as_arrays(truth, submission, 157))
    np.testing.assert_allclose(result.per_class, ap_all, rtol=0, atol=1e-9)
    assert agree(result.mean, mean)
    assert agree(result.weighted, weighted)


def test_average_precision_of_an_example_computed_by_hand() -> None:
    """Positives at ranks 1 and 3: (1/1 + 2/3) / 2. An unlabelled video ranks last."""
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [5.0, 5.0]])
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    result = charades_precision(scores, labels)
    assert result.per_class == pytest.approx([5 / 6, 1 / 2])
    assert result.mean == pytest.approx(2 / 3)
    assert result.weighted == pytest.approx((2 * 5 / 6 + 1 / 2) / 3)
    assert result.positives.tolist() == [2, 1]


def test_a_class_without_positives_makes_the_official_mean_nan() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2]])
    result = charades_precision(scores, np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert math.isnan(result.mean)
    assert math.isnan(result.weighted)
    assert result.mean_present == result.weighted_present == 1
    assert result.absent == (1,)


def test_labels_must_be_zeros_and_ones() -> None:
    with pytest.raises(ValueError, match="zeros and ones"):
        charades_precision(np.zeros((2, 2)), np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="targets"):
        charades_precision(np.zeros((2, 2)), np.zeros((2, 3)))
