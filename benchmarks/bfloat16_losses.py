"""Compare the losses of trainings in bfloat16 with those in float32, in pairs of equal seeds.

    python benchmarks/bfloat16_losses.py --out FOLDER --seeds 5

Both trainings of a pair start from the same weights and read the same clips of `motion` (level 1).
Finished trainings in FOLDER are kept, so the command continues one that was stopped. The table has
the mean loss of each part of the steps over the seeds, and the mean difference with its 95 %
interval (Student's t). The last line compares accuracies on the test split.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from anetdsl.confidence import paired_difference

EXAMPLES = Path(__file__).parent.parent / "examples"
PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", default="small_two_stream_late")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--parts", type=int, default=6)
    options = parser.parse_args()
    losses: dict[str, list[list[float]]] = {precision: [] for precision in PRECISIONS}
    accuracies: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed in range(options.seeds):
        for precision in PRECISIONS:
            run = options.out / f"{precision}-{seed}"
            train(run, precision, seed, options)
            logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            losses[precision].append([row["loss"] for row in logged if "loss" in row])
            accuracies[precision].append(accuracy(run))
    size = options.iterations // options.parts
    print("| steps | float32 | bfloat16 | difference | 95 % interval |")
    print("| --- | --- | --- | --- | --- |")
    for start in range(0, size * options.parts, size):
        means = {
            precision: [statistics.mean(curve[start : start + size]) for curve in curves]
            for precision, curves in losses.items()
        }
        print_row(f"{start} to {start + size}", means)
    print_row("test top-1", accuracies)


def train(run: Path, precision: str, seed: int, options: argparse.Namespace) -> None:
    if (run / "weights.safetensors").exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    anetc(
        *("train", EXAMPLES / f"{options.network}.anet", "--data", "motion", "--out", run),
        *("--iterations", options.iterations, "--batch", options.batch, "--seed", seed),
        *("--learning-rate", 0.2, "--warmup", 0.1),
        *("--precision", precision, "--device", "cpu", "--threads", 1),
    )


def accuracy(run: Path) -> float:
    printed = anetc(
        *("eval", run / "model.anet", "--weights", run / "weights.safetensors"),
        *("--data", "motion", "--json", "--device", "cpu", "--threads", 1),
    )
    return float(json.loads(printed)["measures"]["top1"])


def anetc(*arguments: object) -> str:
    command = [sys.executable, "-m", "anetc", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def print_row(name: str, values: dict[str, list[float]]) -> None:
    float32, bfloat16 = (values[precision] for precision in PRECISIONS)
    found = paired_difference(bfloat16, float32).difference
    print(
        f"| {name} | {statistics.mean(float32):.3f} | {statistics.mean(bfloat16):.3f} "
        f"| {found.mean:+.3f} | {found.low:+.3f} to {found.high:+.3f} |"
    )


if __name__ == "__main__":
    main()
