"""Standard errors of the fitness, compared with simple formulas and with repeated draws."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from anetc.evaluation import fitness_error as module
from anetc.evaluation.fitness_error import fitness_error, video_fitness
from anetc.evaluation.scores import Evaluation

CLASSES = tuple("abcdefghij")


def evaluation_of(ranks: list[int], groups: list[str] | None = None) -> Evaluation:
    """Return an evaluation of 10 classes in which the true classes have these ranks, from 0."""
    logits = np.tile(-np.arange(10.0), (len(ranks), 1))
    return Evaluation(
        names=tuple(f"v{number}" for number in range(len(ranks))),
        logits=logits,
        targets=np.array(ranks),
        classes=CLASSES,
        groups=None if groups is None else tuple(groups),
    )


def test_the_error_is_that_of_a_mean() -> None:
    """Shares are 200 for a video whose class ranks first, 100 for ranks 2 to 5, else 0."""
    found = evaluation_of([0, 0, 3, 4, 5, 9])
    assert video_fitness(found).tolist() == [200, 200, 100, 100, 0, 0]
    assert video_fitness(found).mean() == pytest.approx(found.measures()["fitness"])
    squares = 2 * (100**2 + 0 + 100**2) / 5
    assert fitness_error(found) == pytest.approx((squares / 6) ** 0.5)


def test_the_error_of_top1_alone_is_that_of_a_share() -> None:
    """With one class after the first five, top-5 is constant: the error is binomial."""
    found = evaluation_of([0] * 30 + [1] * 70)
    share = 0.3
    assert fitness_error(found) == pytest.approx(100 * (share * (1 - share) / 99) ** 0.5)


def test_videos_without_scores_count_as_wrong() -> None:
    found = evaluation_of([0, 0, 0, 0])
    found.logits[3] = np.nan
    assert video_fitness(found).tolist() == [200, 200, 200, 0]
    assert fitness_error(found) == pytest.approx(50.0)


def test_alike_videos_of_a_group_enlarge_the_error() -> None:
    """If all videos of a group are equal, a group counts as one video."""
    ranks = [0] * 10 + [3] * 10 + [9] * 10 + [0] * 10
    groups = [str(number // 10) for number in range(40)]
    of_groups = evaluation_of([0, 3, 9, 0])
    assert fitness_error(evaluation_of(ranks, groups)) == pytest.approx(fitness_error(of_groups))
    assert fitness_error(evaluation_of(ranks, ["one"] * 40)) == fitness_error(evaluation_of(ranks))


def test_the_larger_error_counts() -> None:
    """Groups that happen to be equal would have no error at all."""
    ranks = [0, 9, 0, 9]
    assert fitness_error(evaluation_of(ranks, ["a", "a", "b", "b"])) == fitness_error(
        evaluation_of(ranks)
    )


@pytest.mark.parametrize("ranks", [[], [0]])
def test_less_than_two_videos_have_no_error(ranks: list[int]) -> None:
    found = evaluation_of(ranks)
    assert fitness_error(found) is None


def test_the_error_of_the_map_is_its_spread_over_draws() -> None:
    """The jackknife agrees with the standard deviation over independent sets of videos."""
    rng = np.random.default_rng(1)

    def drawn(count: int = 150, classes: int = 4) -> Evaluation:
        targets = (rng.random((count, classes)) < 0.4).astype(np.float64)
        return Evaluation(
            names=tuple(map(str, range(count))),
            logits=targets + rng.normal(0, 1.2, (count, classes)),
            targets=targets,
            classes=CLASSES[:classes],
        )

    sets = [drawn() for _ in range(60)]
    spread = np.std([one.measures()["fitness"] for one in sets], ddof=1)
    errors = [fitness_error(one) or 0.0 for one in sets[:15]]
    assert np.mean(errors) == pytest.approx(float(spread), rel=0.3)


def test_multi_label_groups() -> None:
    rng = np.random.default_rng(2)
    targets = (rng.random((40, 3)) < 0.5).astype(np.float64)
    one = Evaluation(tuple(map(str, range(40))), targets + 0.5, targets, CLASSES[:3])
    assert fitness_error(one) == 0.0
    noise = rng.normal(0, 2, (8, 3)).repeat(5, axis=0)
    groups = tuple(str(number // 5) for number in range(40))
    alike = Evaluation(one.names, targets + noise, targets, CLASSES[:3])
    grouped = Evaluation(one.names, targets + noise, targets, CLASSES[:3], groups=groups)
    assert (fitness_error(grouped) or 0) >= (fitness_error(alike) or 0) > 0


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0
