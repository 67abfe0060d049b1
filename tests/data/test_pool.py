"""Work that is spread over processes."""

from __future__ import annotations

import os

import pytest

from anetc.data.upkeep.pool import in_processes, processors
from anetdsl.errors import CannotRun


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(in_processes(abs, range(-30, 0), workers)) == list(range(30, 0, -1))
    assert list(in_processes(abs, [], workers)) == []
    assert processors() >= 1


def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(CannotRun, match="try fewer --workers"):
        list(in_processes(os._exit, [1, 1], 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_through(workers: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(in_processes(int, ["1", "x", "3"], workers))
