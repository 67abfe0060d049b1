"""The rehearsal of the paper's configuration, with a small network and small clips."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_rehearsal(tmp_path: Path) -> None:
    words = ["--out", tmp_path / "out", "--classes", 12, "--frames", 16, "--size", 64]
    network = ROOT / "examples" / "small_assemblenet.anet"
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "benchmarks" / "rehearse_paper.py")),
            *map(str, words),
            *("--network", str(network)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.endswith(" 0 |")]
    assert {row.split("|")[1].strip() for row in rows} == {
        *("train", "eval", "evolve", "finals", "eval of the winner")
    }
    assert "no videos were held out" in done.stdout, "Moments in Time has no test labels"
