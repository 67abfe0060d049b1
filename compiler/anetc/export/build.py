"""The part of `compile_artifact` that needs torch: build, run, plan, write and verify."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from anetc.export.about import About
from anetc.export.verify import Verdict, clean_process, reference_trials
from anetdsl.ir import Network

if TYPE_CHECKING:
    from anetc.modules.network import NetworkModule

Stage = Callable[[str], AbstractContextManager[None]]
"""Function that returns a context manager for the stage of a given name."""


def write_and_verify(
    network: Network,
    about: About,
    folder: Path,
    weights: str | Path | None,
    seed: int,
    stage: Stage,
) -> tuple[tuple[Path, ...], Verdict]:
    """Write an artifact into a folder and verify it. Return its files and the measured error."""
    with clean_process(about) as process:
        with stage("build the network"):
            model = _build(network, weights, seed)
        with stage("run the reference module"):
            trials = reference_trials(model, about)
        from anetc.export.write import file_names, write_artifact
        from anetc.plan.lower import lower
        from anetc.plan.passes import optimise

        with stage("plan"):
            size = (about.height, about.width)
            plan = optimise(lower(network, frames=about.frames, size=size))
        with stage(f"write {about.kind}"):
            write_artifact(model, plan, about, folder)
        files = tuple(folder / name for name in file_names(about))
        with stage("verify"):
            names = [value.name for value in network.inputs]
            verdict = process.verify(files[0], about, names, trials)
    return files, verdict


def _build(network: Network, weights: str | Path | None, seed: int) -> NetworkModule:
    from anetc.modules.initial import randomise
    from anetc.modules.network import build_network
    from anetc.weights.files import load_weights

    model = build_network(network, seed=seed)
    if weights is not None:
        load_weights(model, weights)
    else:
        randomise(model, seed)  # initial weights would hide errors
    return model.eval()
