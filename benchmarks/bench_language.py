"""Time the steps from a text to a checked network (one core)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import anetdsl
from anetdsl.checking import check_source
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax, tokenize
from anetdsl.text.formatting import format_source

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "assemblenet.anet"
SOURCE = SourceFile("assemblenet.anet", EXAMPLE.read_text(encoding="utf-8"))
NETWORK = anetdsl.parse(SOURCE.text)
STEPS = {
    "tokenize": lambda: tokenize(SOURCE.text),
    "parse": lambda: parse_syntax(SOURCE),
    "parse and check": lambda: check_source(SOURCE),
    "format": lambda: format_source(SOURCE),
    "cost": lambda: anetdsl.cost(NETWORK),
    "print": lambda: str(NETWORK),
}


@pytest.mark.benchmark(group="Table 4 as text")
@pytest.mark.parametrize("step", STEPS)
def test_step(benchmark: BenchmarkFixture, step: str) -> None:
    """One step on the text of Table 4."""
    benchmark(STEPS[step])
