"""Train a small two-stream network on `motion`, and check the accuracy of docs/motion.md.

    python benchmarks/train_motion.py --out FOLDER --at-least 60

Exit code 1 if the test accuracy (top-1, per cent) is lower. `make train-motion` runs it.
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
    parser.add_argument("--out", type=Path, required=True, help="new folder of the run")
    parser.add_argument("--at-least", type=float, required=True, help="top-1 accuracy, per cent")
    options = parser.parse_args()
    start = time.monotonic()
    settings = [str(part) for option in TRAINING.items() for part in option]
    anetc("train", str(NETWORK), "--data", "motion", "--out", str(options.out), *settings)
    trained, weights = (str(options.out / name) for name in ("model.anet", "weights.safetensors"))
    printed = anetc(
        "eval", trained, "--weights", weights, "--data", "motion", "--json", capture=True
    )
    top1 = json.loads(printed)["measures"]["top1"]
    print(
        f"test accuracy {top1:.1f} %, after {time.monotonic() - start:.0f} s; "
        f"docs/motion.md requires at least {options.at_least:g} %"
    )
    return int(top1 < options.at_least)


def anetc(*arguments: str, capture: bool = False) -> str:
    """Run `anetc`; with `capture` return its output instead of printing it."""
    command = [sys.executable, "-m", "anetc", *arguments]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE if capture else None, text=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
