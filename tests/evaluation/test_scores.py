"""Averages over clips, losses and measures, compared with other computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anetc.evaluation.metrics import charades_precision
from anetc.evaluation.scores import Evaluation, average_clips

logits = st.floats(-30, 30)


def clips_of(seed: int, *, scale: float = 3) -> NDArray[np.float64]:
    return scale * np.random.default_rng(seed).standard_normal((6, 5, 4))


def single_label(scores: NDArray, targets: list[int]) -> Evaluation:
    names = tuple(f"v{i}" for i in range(len(targets)))
    classes = tuple(f"c{i}" for i in range(scores.shape[1]))
    return Evaluation(names, scores, np.array(targets, np.int64), classes)


def multi_label_data(scores: NDArray, labels: NDArray) -> Evaluation:
    names = tuple(f"v{i}" for i in range(len(labels)))
    classes = tuple(f"c{i}" for i in range(scores.shape[1]))
    return Evaluation(names, scores, labels.astype(np.float64), classes)


@pytest.mark.parametrize("multi_label", [False, True])
def test_probabilities_are_averaged_over_clips(multi_label: bool) -> None:
    """Probabilities are the mean over clips of the softmax or sigmoid (paper A.6)."""
    clips = clips_of(0)
    turn = torch.sigmoid if multi_label else lambda x: x.softmax(-1)
    expected = turn(torch.from_numpy(clips)).mean(dim=1).numpy()
    averaged = average_clips(clips, multi_label=multi_label)
    labels = np.zeros((6, 4)) if multi_label else np.zeros(6, np.int64)
    names = tuple("abcdef")
    result = Evaluation(names, averaged, labels, tuple("wxyz"))
    np.testing.assert_allclose(result.probabilities(), expected, rtol=1e-12)


@pytest.mark.parametrize("multi_label", [False, True])
def test_logits_of_one_clip_are_unchanged(multi_label: bool) -> None:
    clips = clips_of(1, scale=1e3)[:, :1]
    assert (average_clips(clips, multi_label=multi_label) == clips[:, 0]).all()


@given(st.lists(logits, min_size=2, max_size=2), st.integers(1, 5))
def test_equal_clips_average_to_the_same_logits(values: list[float], count: int) -> None:
    clips = np.tile(np.array(values), (1, count, 1))
    averaged = average_clips(clips, multi_label=True)
    np.testing.assert_allclose(averaged[0], values, rtol=1e-9, atol=1e-12)


def test_probabilities_near_one_do_not_become_ties() -> None:
    """sigmoid(40) and sigmoid(45) are both 1 in float64, but the averaged logits differ."""
    clips = np.array([[[40.0], [40.0]], [[45.0], [45.0]], [[-40.0], [-40.0]]])
    averaged = average_clips(clips, multi_label=True)[:, 0]
    assert averaged.tolist() == pytest.approx([40, 45, -40])


def test_measures_of_single_labels() -> None:
    scores = clips_of(2)[:, 0]
    targets = [0, 1, 2, 3, 0, 1]
    result = single_label(scores, targets).measures()
    tensor = torch.from_numpy(scores)
    loss = float(torch.nn.functional.cross_entropy(tensor, torch.tensor(targets)))
    right = float((tensor.argmax(1) == torch.tensor(targets)).double().mean())
    assert result == pytest.approx(
        {"top1": 100 * right, "top5": 100, "loss": loss, "fitness": 100 * right + 100}
    )


def test_measures_of_multi_label_data() -> None:
    scores = clips_of(3)[:, 0]
    labels = np.array(
        [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0] * 4, [0, 1, 0, 0], [1, 0, 1, 0]]
    )
    result = multi_label_data(scores, labels)
    precision = charades_precision(scores, labels.astype(float))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(scores), torch.from_numpy(labels.astype(float))
    )
    measures = result.measures()
    assert math.isnan(measures["mAP"])
    assert math.isnan(measures["wAP"])
    assert measures["mAP_present"] == 100 * precision.mean_present == measures["fitness"]
    assert measures["wAP_present"] == 100 * precision.weighted_present
    assert measures["loss"] == pytest.approx(float(loss))
    assert [name for name, _ in result.score().values] == ["loss", "fitness"]


def test_an_unreadable_video_is_wrong_and_has_no_loss() -> None:
    scores = np.array([[2.0, 0.0], [math.nan, math.nan]])
    result = single_label(scores, [0, 0])
    assert result.unranked.tolist() == [False, True]
    measures = result.measures()
    assert (measures["top1"], measures["top5"]) == (50, 50)
    assert measures["loss"] == pytest.approx(math.log1p(math.exp(-2)))


def test_loss_without_scores_is_nan() -> None:
    result = single_label(np.full((2, 3), math.nan), [0, 1])
    assert math.isnan(result.loss())
    assert dict(result.score().values) == {"top1": 0, "top5": 0, "fitness": 0}


def test_infinite_logits_do_not_affect_other_videos() -> None:
    """The loss is infinite or NaN, without a warning, and is left out of the `score` statement."""
    scores = np.array([[math.inf, 0.0], [0.0, -math.inf]])
    assert single_label(scores, [0, 0]).measures()["top1"] == 100
    labels = np.array([[1, 0], [1, 0]])
    assert multi_label_data(scores, labels).loss() == pytest.approx(2 * math.log(2) / 4)
    assert multi_label_data(scores, 1 - labels).loss() == math.inf
    assert "loss" not in dict(multi_label_data(scores, 1 - labels).score().values)
