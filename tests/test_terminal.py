"""The format of durations."""

from __future__ import annotations

import pytest

from anetdsl.terminal import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (599.4, "9 min 59 s"),
        (3569, "59 min"),
        (3599, "1 h"),
        (3600 + 125, "1 h 2 min"),
        (86_399, "1 d"),
        (86_400 * 2.5, "2 d 12 h"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_format_of_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
