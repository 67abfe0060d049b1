"""Confidence intervals and tests, against published tables, worked examples and scipy."""

from __future__ import annotations

import math
import random

import pytest

from anetdsl.confidence import (
    holm,
    incomplete_beta,
    mean_interval,
    paired_difference,
    student_quantile,
    two_sided_p,
)

# Upper 2.5 % and 0.5 % points of Student's t, from printed tables.
TABLE = {
    1: (12.706, 63.657),
    2: (4.303, 9.925),
    3: (3.182, 5.841),
    4: (2.776, 4.604),
    5: (2.571, 4.032),
    9: (2.262, 3.250),
    10: (2.228, 3.169),
    20: (2.086, 2.845),
    30: (2.042, 2.750),
    60: (2.000, 2.660),
    120: (1.980, 2.617),
}

# Extra sleep in hours by two drugs in ten patients: Student 1908; t = -4.0621, p = 0.002833 in
# pairs, and t = -1.8608, p = 0.07939 by Welch (the example of R's t.test).
FIRST = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
SECOND = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)


@pytest.mark.parametrize(("freedom", "points"), TABLE.items())
def test_quantiles_are_those_of_the_tables(freedom: int, points: tuple[float, float]) -> None:
    found = [student_quantile(probability, freedom) for probability in (0.975, 0.995)]
    assert found == pytest.approx(points, abs=6e-4)
    assert student_quantile(0.025, freedom) == -found[0]


def test_quantiles_with_closed_forms() -> None:
    """One degree is the Cauchy distribution; two degrees have a root; many are normal."""
    for probability in (0.6, 0.9, 0.99, 0.9999):
        cauchy = math.tan(math.pi * (probability - 0.5))
        assert student_quantile(probability, 1) == pytest.approx(cauchy, rel=1e-10)
        alpha = 4 * probability * (1 - probability)
        two = 2 * (probability - 0.5) * math.sqrt(2 / alpha)
        assert student_quantile(probability, 2) == pytest.approx(two, rel=1e-10)
    assert student_quantile(0.975, 1e7) == pytest.approx(1.959964, abs=1e-6)


def test_agreement_with_scipy() -> None:
    special, stats = pytest.importorskip("scipy.special"), pytest.importorskip("scipy.stats")
    draw = random.Random(1)
    for _ in range(200):
        a, b, x = draw.uniform(0.1, 60), draw.uniform(0.1, 60), draw.random()
        assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), abs=1e-12)
        t, freedom = draw.uniform(-30, 30), draw.choice([1, 2, 3.7, 4, 11, 250])
        assert two_sided_p(t, freedom) == pytest.approx(
            2 * stats.t.sf(abs(t), freedom), rel=1e-9, abs=1e-15
        )


def test_pairs_of_students_data() -> None:
    paired = paired_difference(FIRST, SECOND)
    assert paired.difference.mean == pytest.approx(-1.58)
    assert paired.p == pytest.approx(0.002833, abs=1e-6)
    ends = (paired.difference.low, paired.difference.high)
    assert ends == pytest.approx((-2.4598858, -0.7001142), abs=1e-6)


def test_intervals_have_their_coverage() -> None:
    """95 % of 4,000 intervals of five normal values hold the mean; 1.5 points are 4 s.e."""
    draw = random.Random(0)
    held = 0
    for _ in range(4000):
        found = mean_interval([draw.gauss(3, 2) for _ in range(5)])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 3 <= found.high
    assert held / 4000 == pytest.approx(0.95, abs=0.015)


def test_few_and_equal_values() -> None:
    one = mean_interval([2.5])
    assert (one.mean, one.sd, one.low, one.high, one.standard_error) == (2.5, *[None] * 4)
    assert paired_difference([1.0], [0.0]).p is None
    equal = mean_interval([4.0, 4.0])
    assert (equal.low, equal.high) == (4.0, 4.0)
    assert paired_difference([1.0, 2.0], [1.0, 2.0]).p == 1.0
    assert paired_difference([2.0, 3.0], [1.0, 2.0]).p == 0.0
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])
    with pytest.raises(ValueError, match="paired"):
        paired_difference([1.0], [])


def test_holm() -> None:
    """The example of Holm's procedure: 0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()
