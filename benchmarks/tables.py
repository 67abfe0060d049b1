"""What benchmarks share that take turns between what they compare, and print ratios."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


def replay(benchmark: BenchmarkFixture, seconds: Sequence[float]) -> None:
    """Times that were measured in turns with others, as those of pytest-benchmark's own rounds."""
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
    """Aligned columns, past pytest's capture."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print()
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
