"""The program of each process that torchrun starts: a run of the toy network by each module."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

if __name__ == "__main__":
    out, data, *roots = sys.argv[1:]
    sys.path[:0] = roots
    from anetc.data.spec import parse_spec
    from anetc.training.loop import shut_down_processes
    from tests.training.running import run

    torch.set_num_threads(1)
    spec = parse_spec(data)
    run(Path(out) / "fused", spec)
    run(Path(out) / "plain", spec, engine="reference")
    run(Path(out) / "parts", spec, accumulate=2)
    run(Path(out) / "half", spec, iterations=4)
    shut_down_processes()
