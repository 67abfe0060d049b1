"""Checkpoints: the state that a run resumes from, each one safetensors file, written atomically.

A folder holds the last two, named by the number of finished steps: `00001500.safetensors`. Tensors
are `model.NAME`, `momentum.NAME` and `random`; the header's one metadata entry is JSON. Reading a
checkpoint never executes anything in it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import safetensors
import torch
from safetensors.torch import save
from torch import Tensor

from anetc.engines.matrix_product import use_product_library, used_product_library
from anetc.native.library import NO_KERNELS
from anetc.training.failures import report_out_of_memory
from anetc.training.optimiser import momentum_of, set_momentum
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from anetc.training.loop import TrainState

FORMAT_VERSION = 1
KEPT = 2
"""Number of checkpoints to keep: where the last one is damaged, the one before it can serve."""
_KEY = "anet-run"
_NAME = re.compile(r"(\d{8,})\.safetensors")


@attrs.frozen(eq=False)
class Checkpoint:
    """The state of a run after `iteration` steps."""

    iteration: int
    metrics_bytes: int
    """Size of the run's metrics.jsonl after these steps."""
    model: Mapping[str, Tensor]
    """The state dict, with the counters of batch normalisation."""
    momentum: Mapping[str, Tensor]
    random: Tensor
    """State of PyTorch's random generator on the CPU."""
    without_gain: int = 0
    """Number of validations since the best one whose weights are kept (early stopping)."""
    products: str | None = None
    """Library of matrix products that the run has used; None if it has used none."""
    kernels: str | None = None
    """Version of the native kernels of the run, "none" without them; None if it is unknown."""


def checkpoint_of(
    state: TrainState, iteration: int, *, metrics_bytes: int = 0, without_gain: int = 0
) -> Checkpoint:
    """Return the state of a training after `iteration` steps."""
    return Checkpoint(
        iteration,
        metrics_bytes,
        state.model.state_dict(),
        momentum_of(state.optimiser, state.model),
        torch.get_rng_state(),
        without_gain,
        used_product_library(),
        state.kernels,
    )


def restore_checkpoint(state: TrainState, last: Checkpoint, folder: Path) -> str | None:
    """Load a checkpoint into a model that is ready for training.

    Return a warning if the next steps are computed by other native kernels than those before, or
    by none. Raises CannotRun, which names the `folder` of the run, for the checkpoint of another
    network.
    """
    try:
        with report_out_of_memory("for the network"):
            state.model.load_state_dict(dict(last.model))
            set_momentum(state.optimiser, state.model, last.momentum)
    except RuntimeError:
        raise CannotRun(
            f"{folder}: its checkpoints are of another network; name another --out"
        ) from None
    torch.set_rng_state(last.random)
    use_product_library(last.products)
    if last.kernels in (None, state.kernels):
        return None
    return (
        f"the steps before were computed {_by(last.kernels)}, and the next ones are computed "
        f"{_by(state.kernels)}: the numbers differ in rounding from those of an uninterrupted run"
    )


def save_checkpoint(folder: Path, state: Checkpoint) -> Path:
    """Write a checkpoint and delete all but the last two. Raises CannotRun."""
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
        "without_gain": state.without_gain,
        "products": state.products,
        "kernels": state.kernels,
    }
    path = folder / f"{state.iteration:08}.safetensors"
    data = save({**tensors, "random": state.random}, {_KEY: json.dumps(about)})
    write_atomically(path, data)
    for old in checkpoints(folder)[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the newest last."""
    found = [path for path in folder.glob("*.safetensors") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem))


def saved_steps(folder: Path) -> int:
    """Return the number of steps in a folder's newest checkpoint; 0 without a checkpoint."""
    found = checkpoints(folder)
    return int(found[-1].stem) if found else 0


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises CannotRun for a file that cannot be used."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about: Any = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about["version"] != FORMAT_VERSION:
            raise CannotRun(f"{path}: written by another version of anetc")
        return Checkpoint(
            int(about["iteration"]),
            int(about["metrics_bytes"]),
            _group(tensors, "model."),
            _group(tensors, "momentum."),
            tensors["random"],
            int(about.get("without_gain", 0)),
            about.get("products"),
            about.get("kernels"),
        )
    except (OSError, safetensors.SafetensorError, LookupError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CannotRun(f"{path}: not a readable checkpoint: {reason}") from None


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint; None without one.

    Raises CannotRun where it cannot be read; the message names the checkpoint before it.
    """
    paths = checkpoints(folder)
    if not paths:
        return None
    try:
        return read_checkpoint(paths[-1])
    except CannotRun as error:
        before = f"from {paths[-2].name}" if len(paths) > 1 else "from the start"
        raise CannotRun(f"{error}\nremove the file, and --resume continues {before}") from None


def _by(kernels: str | None) -> str:
    return "without native kernels" if kernels == NO_KERNELS else f"by native kernels {kernels}"


def _group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
