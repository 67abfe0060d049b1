"""Time a light command as a whole process, against importing its libraries.

The bar: `anetc check` of Table 4, with its grammar cached, takes at most 1.5 times what
`python -c "import lark, attrs, click"` takes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "assemblenet.anet"
PROCESSES = {
    "import lark, attrs, click": ["-c", "import lark, attrs, click"],
    "anetc check": ["-m", "anetc", "check", str(EXAMPLE)],
    "anetc stats": ["-m", "anetc", "stats", str(EXAMPLE)],
    "anetc fmt --check": ["-m", "anetc", "fmt", "--check", str(EXAMPLE)],
}


@pytest.mark.benchmark(group="whole process")
@pytest.mark.parametrize("name", PROCESSES)
def test_process(benchmark: BenchmarkFixture, name: str) -> None:
    """One process from start to end."""
    command = [sys.executable, *PROCESSES[name]]
    benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True), rounds=20, warmup_rounds=2
    )
