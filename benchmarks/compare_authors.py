"""Compare the time of a step with the authors' own TensorFlow code.

    python benchmarks/compare_authors.py --authors DIR --python TF/bin/python

DIR is a checkout of github.com/google-research/google-research; its `assemblenet/assemblenet.py`
and `assemblenet/rep_flow_2d_layer.py` are used. TF/bin/python is a Python with TensorFlow, which
needs an environment of its own: pip install 'tensorflow-cpu==2.19.*' 'tf_keras==2.19.*'.

All compared codes have the same weights (drawn by the authors' code), the same clip, and the
optical flow as an input. The results are compared before anything is measured. Each code runs on
one thread; the authors' code runs as a `tf.function` with oneDNN in its own process. In each round
all codes do one step in turns, and the median of the ratios of processor time is printed, so that a
slow period affects all of them. Backends are those of `anetc bench`: `plain` is the reference
module, `plan` ours, and `frozen` torch.compile of the reference module with constant weights. In
cases of bfloat16 the authors' code computes in `bfloat16_scope`, and ours is `plan-bf16`. The
memory of training steps is the growth of the resident memory from after the imports.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from anetc.process_start import prepare_process

prepare_process()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import anetdsl  # noqa: E402
from anetc.bench.backends import make_backend  # noqa: E402
from anetc.engines.training import TrainingModule  # noqa: E402
from anetc.modules.network import NetworkModule, build_network  # noqa: E402
from anetc.weights.authors import load_authors_weights  # noqa: E402
from anetdsl.interchange.authors import to_structure  # noqa: E402
from anetdsl.ir import Network  # noqa: E402
from benchmarks.authors_process import peak_memory  # noqa: E402

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CASES = {
    "inference-16x112": ("assemblenet", False, 1, 16, 112),
    "inference-32x224": ("assemblenet", False, 1, 32, 224),
    "inference-16x112-bfloat16": ("assemblenet", False, 1, 16, 112),
    "inference-32x224-bfloat16": ("assemblenet", False, 1, 32, 224),
    "training-16x112": ("assemblenet", True, 1, 16, 112),
    "training-small": ("small_assemblenet", True, 16, 16, 32),
}
"""Network, whether it is trained, clips, frames, and height and width."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest difference of two results, relative to the largest number of the authors' result."""
Inputs = Mapping[str, Tensor]
Step = Callable[[], float]
"""Function that does a step and returns its processor seconds."""


def main() -> None:
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--authors", required=True, type=Path)
    parser.add_argument("--python", required=True, help="Python with TensorFlow")
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--backends", default="plain,plan", help="for inference, also frozen (torch.compile)"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    for case in given.case or CASES:
        compare(case, given.authors, given.python, given.rounds, given.backends.split(","))


def compare(case: str, authors: Path, python: str, rounds: int, backends: list[str]) -> None:
    """Measure one case and print a table."""
    name, training, batch, frames, size = CASES[case]
    network = anetdsl.load(EXAMPLES / f"{name}.anet")
    precision = "bfloat16" if case.endswith("bfloat16") else "float32"
    if precision == "bfloat16":
        backends = ["plan-bf16"]
    generator = torch.Generator().manual_seed(0)
    inputs = {
        value.name: torch.randn(batch, value.channels, frames, size, size, generator=generator)
        for value in network.inputs
    }
    labels = torch.arange(batch) % network.sink.classes
    with tempfile.TemporaryDirectory() as folder:
        job = {**describe(network), "frames": frames, "training": training}
        job |= {"precision": precision, "authors": str(authors), "inputs": f"{folder}/inputs.npz"}
        job["archive"] = f"{folder}/weights.npz"
        clips = {key: x.permute(0, 2, 3, 4, 1).flatten(0, 1).numpy() for key, x in inputs.items()}
        np.savez(job["inputs"], **clips, labels=labels.numpy())
        with started(python, job) as process:
            model = build_network(network)
            load_authors_weights(model, job["archive"])
            with np.load(job["archive"]) as archive:
                expected = torch.from_numpy(archive["result"])
            memory: dict[str, float] = {}
            if training:  # before this process has used memory that it frees again
                for key in backends:
                    memory[key] = peak_of_steps(model, inputs, labels, expected, key)
                memory["authors"] = request(process)["memory"]
            steps = {"authors": lambda: request(process)["seconds"]}
            if training:
                steps |= training_steps(model, inputs, labels, expected, backends)
            else:
                steps |= inference_steps(model, inputs, expected, backends, TOLERANCE[precision])
            seconds: dict[str, list[float]] = {key: [] for key in steps}
            for _ in range(rounds):
                for key, step in steps.items():
                    seconds[key].append(step())
    print(f"{case}, {rounds} rounds, one thread")
    for key, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, seconds["authors"]))
        text = (
            f"  {key:10s} {1000 * statistics.median(values):9.1f} ms  {ratio:5.2f} of the authors'"
        )
        if key in memory:
            text += f"  {memory[key] / 2**20:7.0f} MiB"
        print(text)


def describe(network: Network) -> dict[str, Any]:
    """Return what the authors' code needs to know of a network."""
    stems = [node.channels for node in network.nodes if node.is_stem]
    if len(set(stems)) > 1:
        raise SystemExit(f"{network.name}: the authors' stems have equal numbers of channels")
    # The structure lists hold no channels of stems, and the authors' stems have 128 together.
    nodes = (
        attrs.evolve(node, channels=128 // len(stems)) if node.is_stem else node
        for node in network.nodes
    )
    structure, _ = to_structure(attrs.evolve(network, nodes=tuple(nodes)))
    return {
        "structure": structure,
        "widths": list(network.widths),
        "modules": list(network.modules),
        "stem": stems[0],
        "classes": network.sink.classes,
    }


class started:  # noqa: N801 - used as a function
    """The process of the authors' code, after its first step."""

    def __init__(self, python: str, job: Mapping[str, Any]) -> None:
        variables = {
            "TF_USE_LEGACY_KERAS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_NUM_INTEROP_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        script = Path(__file__).with_name("authors_process.py")
        self.process = subprocess.Popen(
            [python, "-W", "ignore", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**kept, **variables},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("the authors' code failed; its messages are above")

    def __enter__(self) -> subprocess.Popen[str]:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def request(process: subprocess.Popen[str]) -> dict[str, float]:
    """Have the authors' code do a step; return its processor seconds and its peak memory."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("step\n")
    process.stdin.flush()
    answer: dict[str, float] = json.loads(process.stdout.readline())
    return answer


def timed(function: Callable[[], object]) -> Step:
    """Return a function that measures another one."""

    def step() -> float:
        start = time.process_time()
        function()
        return time.process_time() - start

    return step


def inference_steps(
    model: NetworkModule,
    inputs: Inputs,
    expected: Tensor,
    backends: list[str],
    tolerance: float,
) -> dict[str, Step]:
    """Return the backends, after a comparison of their logits with the authors'."""
    model.eval()
    steps = {}
    with torch.no_grad():
        for name in backends:
            backend = make_backend(name, model, inputs)
            check(name, backend.forward(inputs), expected, tolerance)
            steps[name] = timed(lambda forward=backend.forward: no_grad(forward, inputs))
    return steps


def no_grad(forward: Callable[[Mapping[str, Tensor]], Tensor], inputs: Inputs) -> None:
    with torch.no_grad():
        forward(inputs)


def training_steps(
    model: NetworkModule, inputs: Inputs, labels: Tensor, expected: Tensor, backends: list[str]
) -> dict[str, Step]:
    """Return the modules, after a comparison of their losses with the authors'."""
    model.train()
    steps = {}
    for name in backends:
        measured = TrainingModule(model) if name == "plan" else model

        def step(module: nn.Module = measured) -> Tensor:
            module.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(module(inputs), labels)
            loss.backward()
            return loss.detach()

        check(name, step(), expected, TOLERANCE["float32"])
        steps[name] = timed(step)
    return steps


def peak_of_steps(
    model: NetworkModule, inputs: Inputs, labels: Tensor, expected: Tensor, backend: str
) -> int:
    """Return the bytes that steps add to the resident memory, with parameters and gradients.

    They run in a process of their own, as this one holds what other backends left. The parameters
    are there before, and are added.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        base = peak_memory()
        step = training_steps(model, inputs, labels, expected, [backend])[backend]
        for _ in range(3):
            step()
        os.write(writing, str(peak_memory() - base).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        added = int(answer.read())
    os.waitpid(child, 0)
    kept = [*model.state_dict().values(), *inputs.values()]
    return added + sum(x.numel() * x.element_size() for x in kept)


def check(name: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
    """End the program if a result differs from the authors'."""
    error = float((found - expected).abs().max() / expected.abs().max())
    print(f"  {name}: largest difference from the authors' result {error:.1e}", file=sys.stderr)
    if not error < tolerance:
        raise SystemExit(f"{name}: the results differ")


if __name__ == "__main__":
    main()
