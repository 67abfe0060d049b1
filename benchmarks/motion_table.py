"""Measure networks on the generated data set `motion`: the table of docs/motion.md.

    python benchmarks/motion_table.py --level 1 --seeds 3 --out motion-1.jsonl

Every row but the first two is the result of `anetc trial` for a network of examples/, evaluated on
the test split. Results in --out are kept, so the command can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anetc.data.open import open_data
from anetc.data.recipes import recipes_for
from anetc.data.spec import parse_spec
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, set_attribute

EXAMPLES = Path(__file__).parent.parent / "examples"
NETWORKS = {
    "RGB": "small_single_stream_rgb",
    "flow": "small_single_stream_flow",
    "late fusion": "small_two_stream_late",
    "two-stream, fully connected": "small_two_stream_fully",
    "Table 4, scaled down": "small_assemblenet",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=0.2)
    parser.add_argument("--warmup", type=float, default=0.1)
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    data = f"motion:level={options.level}"
    classes = len(open_whole(data, "test").classes)
    done = {key_of(row): row for row in read(options.out)}
    for seed in range(options.seeds):
        settings = {
            "iterations": options.iterations,
            "batch": options.batch,
            "learning_rate": options.learning_rate,
            "warmup": options.warmup,
            "label_smoothing": options.label_smoothing,
            "seed": seed,
        }
        for network in options.networks:
            job = {"network": network, "data": data, "settings": settings}
            if key_of(job) not in done:
                row = {**job, **trial(NETWORKS[network], data, classes, settings)}
                done[key_of(row)] = row
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    print_rows(list(done.values()), data, classes)


def open_whole(data: str, split: Any) -> Any:
    spec = parse_spec(data)
    return open_data(spec, split, recipes_for(spec).validation, flow=False)


def key_of(row: dict[str, Any]) -> str:
    return json.dumps([row[name] for name in ("network", "data", "settings")], sort_keys=True)


def read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def trial(example: str, data: str, classes: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Train an example with the number of classes of the data, and return its result."""
    text = (EXAMPLES / f"{example}.anet").read_text(encoding="utf-8")
    tree = parse_syntax(SourceFile(example, text))
    text = apply(text, set_attribute(tree, find(tree, "sink"), "classes", str(classes)))
    with tempfile.TemporaryDirectory() as folder:
        job = {"schema": "anetdsl-trial-job", "schema_version": 1, "data": data}
        job |= {"settings": settings, "split": "test", "device": "cpu"}
        (Path(folder) / "job.json").write_text(json.dumps(job), encoding="utf-8")
        (Path(folder) / "candidate.anet").write_text(text, encoding="utf-8")
        subprocess.run([sys.executable, "-m", "anetc", "trial", folder], check=True)
        result = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
    return {name: result[name] for name in ("measures", "parameters", "multiply_adds", "seconds")}


def print_rows(rows: list[dict[str, Any]], data: str, classes: int) -> None:
    print(f"{data}: test accuracy, per cent\n")
    print("| network | parameters | top-1 | spread | top-5 | seeds | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    chance = (100 / classes, 100 * min(5, classes) / classes)
    print(f"| chance | | {chance[0]:.1f} | | {chance[1]:.1f} | | |")
    top1, top5, count = logistic_regression(data, classes)
    print(f"| one frame, logistic regression | {count:,} | {top1:.1f} | | {top5:.1f} | | |")
    for network in NETWORKS:
        own = [row for row in rows if row["network"] == network]
        if not own:
            continue
        found = [row["measures"]["top1"] for row in own]
        top5 = statistics.mean(row["measures"]["top5"] for row in own)
        seconds = statistics.median(row["seconds"] for row in own)
        spread = f"{min(found):.1f}-{max(found):.1f}"
        print(
            f"| {network} | {own[0]['parameters']:,} | {statistics.mean(found):.1f} | {spread} "
            f"| {top5:.1f} | {len(own)} | {seconds:.0f} |"
        )


def logistic_regression(data: str, classes: int) -> tuple[float, float, int]:
    """Return top-1, top-5 and number of weights of a classifier of the middle frame's pixels.

    Its regularisation is the best power of ten on the validation split.
    """
    (x, y), validation, test = (pixels(data, split) for split in ("train", "validation", "test"))
    mean, deviation = x.mean(0), x.std(0) + 1
    inputs = (x - mean) / deviation
    layers = [fit(inputs, y, classes, 10.0**power) for power in (-3, -2, -1, 0)]

    def accuracy(layer: torch.nn.Linear, split: tuple[torch.Tensor, torch.Tensor], k: int) -> float:
        best = layer((split[0] - mean) / deviation).topk(min(k, classes), 1).indices
        return 100 * float((best == split[1][:, None]).any(1).float().mean())

    layer = max(layers, key=lambda layer: accuracy(layer, validation, 1))
    count = sum(part.numel() for part in layer.parameters())
    return accuracy(layer, test, 1), accuracy(layer, test, 5), count


def fit(x: torch.Tensor, y: torch.Tensor, classes: int, strength: float) -> torch.nn.Linear:
    layer = torch.nn.Linear(x.shape[1], classes)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=50)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        fitted = torch.nn.functional.cross_entropy(layer(x), y)
        value = fitted + strength * layer.weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return layer


def pixels(data: str, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the pixels of every clip's middle frame, (N, H * W * 3), and the classes (N,)."""
    dataset = open_whole(data, split)
    frames = np.stack([dataset.x[row, dataset.x.shape[1] // 2].ravel() for row in dataset.rows])
    return torch.from_numpy(frames.astype(np.float32)), torch.from_numpy(dataset.y[dataset.rows])


if __name__ == "__main__":
    main()
