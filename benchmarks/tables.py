"""Helpers for benchmarks that run alternatives in turns and print ratios."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


def replay(benchmark: BenchmarkFixture, seconds: Sequence[float]) -> None:
    """Report times that were measured in turns as the rounds of a pytest-benchmark fixture."""
    times = iter(seconds)
    clock = 0.0

    def timer() -> float:
        return clock

    def advance() -> None:
        nonlocal clock
        clock += next(times)

    benchmark._timer = timer
    benchmark.pedantic(advance, rounds=len(seconds), iterations=1, warmup_rounds=0)


def print_table(request: pytest.FixtureRequest, rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns, also while pytest captures the output."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print()
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
