"""Train a small two-stream network on `motion`, and hold it to the accuracy of docs/motion.md.

    python benchmarks/train_motion.py --out FOLDER --at-least 60

Exit code 1 where the test accuracy (top-1, per cent) is below. `make train-motion` runs it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

NETWORK = Path(__file__).parent.parent / "examples" / "small_two_stream_fully.anet"
TRAINING = {
    "--iterations": 1000,
    "--batch": 16,
    "--learning-rate": 0.2,
    "--warmup": 0.1,
    "--label-smoothing": 0.1,
    "--device": "cpu",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="the run's folder, a new one")
    parser.add_argument("--at-least", type=float, required=True, help="top-1 accuracy, per cent")
    asked = parser.parse_args()
    began = time.monotonic()
    options = [str(part) for option in TRAINING.items() for part in option]
    anetc("train", str(NETWORK), "--data", "motion", "--out", str(asked.out), *options)
    trained, weights = (str(asked.out / name) for name in ("model.anet", "weights.safetensors"))
    printed = anetc("eval", trained, "--weights", weights, "--data", "motion", "--json", kept=True)
    top1 = json.loads(printed)["measures"]["top1"]
    print(
        f"test accuracy {top1:.1f} %, after {time.monotonic() - began:.0f} s; "
        f"docs/motion.md says at least {asked.at_least:g} %"
    )
    return int(top1 < asked.at_least)


def anetc(*arguments: str, kept: bool = False) -> str:
    """Run `anetc`; what it printed, where that is `kept` and not shown."""
    command = [sys.executable, "-m", "anetc", *arguments]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE if kept else None, text=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
