"""Functions that are applied in several processes."""

from __future__ import annotations

import os

import pytest

from anetc.data.upkeep.process_pool import map_in_processes
from anetdsl.errors import CannotRun


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_order(workers: int) -> None:
    assert list(map_in_processes(abs, range(-30, 0), workers)) == list(range(30, 0, -1))
    assert list(map_in_processes(abs, [], workers)) == []


def test_a_killed_process_is_an_error() -> None:
    with pytest.raises(CannotRun, match="use fewer --workers"):
        list(map_in_processes(os._exit, [1, 1], 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_are_raised_again(workers: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(map_in_processes(int, ["1", "x", "3"], workers))
