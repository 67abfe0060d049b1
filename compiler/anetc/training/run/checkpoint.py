"""Checkpoints: all that a run goes on from, each one a safetensors file that appears complete.

A folder holds the last two, named by the steps that were done: `00001500.safetensors`. Tensors are
`model.NAME`, `momentum.NAME` and `random`; the header's one metadata entry is JSON. Nothing in such
a file is ever executed.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import safetensors
from safetensors.torch import save
from torch import Tensor

from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.terminal import visible

FORMAT_VERSION = 1
KEPT = 2
"""Checkpoints that stay: if the last one is spoilt, there is one before it."""
_KEY = "anet-run"
_NAME = re.compile(r"(\d{8,})\.safetensors")


@attrs.frozen(eq=False)
class Checkpoint:
    """The state of a run after `iteration` steps."""

    iteration: int
    metrics_bytes: int
    """How much of the run's metrics.jsonl belongs to these steps."""
    model: Mapping[str, Tensor]
    """The state dict, counters of batch normalisation included."""
    momentum: Mapping[str, Tensor]
    random: Tensor
    """The state of PyTorch's generator on the CPU."""


def save_checkpoint(folder: Path, state: Checkpoint) -> Path:
    """Write a checkpoint and drop those before the last two. Raises CannotRun."""
    groups = {"model": state.model, "momentum": state.momentum}
    tensors = {
        f"{group}.{name}": tensor.detach().cpu().contiguous()
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    about = {
        "version": FORMAT_VERSION,
        "iteration": state.iteration,
        "metrics_bytes": state.metrics_bytes,
    }
    path = folder / f"{state.iteration:08}.safetensors"
    data = save({**tensors, "random": state.random}, {_KEY: json.dumps(about)})
    write_atomically(path, data)
    for old in checkpoints(folder)[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest last."""
    found = [path for path in folder.glob("*.safetensors") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises CannotRun, with what to do, for a file that cannot be used."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about: Any = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about["version"] != FORMAT_VERSION:
            raise CannotRun(f"{path}: made by another version of anetc; it cannot go on from here")
        return Checkpoint(
            int(about["iteration"]),
            int(about["metrics_bytes"]),
            _group(tensors, "model."),
            _group(tensors, "momentum."),
            tensors["random"],
        )
    except (OSError, safetensors.SafetensorError, LookupError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise CannotRun(f"{path}: not a readable checkpoint: {visible(reason)[:200]}") from None


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The last checkpoint; None where there is none.

    Raises CannotRun where it cannot be read, and says which one would do.
    """
    paths = checkpoints(folder)
    if not paths:
        return None
    try:
        return read_checkpoint(paths[-1])
    except CannotRun as error:
        before = f"from {paths[-2].name}" if len(paths) > 1 else "from the start"
        raise CannotRun(f"{error}\nremove it, and --resume goes on {before}") from None


def _group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
