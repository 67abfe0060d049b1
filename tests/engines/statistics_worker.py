"""One of several processes that train a network: `python statistics_worker.py JOB RANK`.

JOB is a folder with `job.json`: {"network": TEXT, "shares": [clips per process], "checkpoint":
bool, "engine": "training", "accelerator" or "compiled"}. The process writes its loss, gradients and
statistics to `RANK.safetensors` in this folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as processes
from safetensors.torch import save_file
from torch.nn import functional

import anetdsl
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.training import TrainingModule
from tests.plan.cases import case


def traced(step: Any) -> Any:
    return torch.compile(step, backend="aot_eager", fullgraph=True, dynamic=False)


def main() -> None:
    folder, rank = Path(sys.argv[1]), int(sys.argv[2])
    job = json.loads((folder / "job.json").read_text("utf-8"))
    shares = job["shares"]
    torch.set_num_threads(1)
    if len(shares) > 1:
        processes.init_process_group(
            "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=len(shares)
        )
    whole = case(anetdsl.parse(job["network"]), batch=sum(shares), frames=3, size=(20, 24))
    first = sum(shares[:rank])
    inputs = {
        name: clip[first : first + shares[rank]].double() for name, clip in whole.inputs.items()
    }
    model, engine = whole.model.double().train(), job["engine"]
    options = {"checkpoint": job["checkpoint"], "synchronise": True}
    module: TrainingModule | AcceleratorModule
    if engine == "training":
        module = TrainingModule(model, **options)
    else:
        module = AcceleratorModule(model, compiled=engine == "compiled", compiler=traced, **options)
    labels = torch.arange(sum(shares))[first : first + shares[rank]] % 3
    # The loss of the whole batch is the sum of the processes' losses.
    loss = functional.cross_entropy(module(inputs), labels, reduction="sum") / sum(shares)
    loss.backward()
    assert engine != "compiled" or module.compiled, "the step is not one graph"
    found = {"loss": loss.detach().reshape(1)}
    found |= {f"gradient {n}": p.grad for n, p in module.named_parameters() if p.grad is not None}
    found |= {f"buffer {n}": b for n, b in module.named_buffers(remove_duplicate=False)}
    save_file(
        {name: x.clone().contiguous() for name, x in found.items()}, folder / f"{rank}.safetensors"
    )
    if len(shares) > 1:
        processes.destroy_process_group()


if __name__ == "__main__":
    main()
