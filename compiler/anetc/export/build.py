"""The part of compiling that needs torch: build, reference, plan, artifact, verdict."""

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


def make(
    network: Network,
    about: About,
    folder: Path,
    weights: str | Path | None,
    seed: int,
    stage: Stage,
) -> tuple[tuple[Path, ...], Verdict]:
    """Write and verify an artifact in a folder: its files, and how it did."""
    with clean_process(about) as other:
        with stage("build the network"):
            model = _build(network, weights, seed)
        with stage("run the plain module"):
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
            verdict = other.verify(files[0], about, names, trials)
    return files, verdict


def _build(network: Network, weights: str | Path | None, seed: int) -> NetworkModule:
    from anetc.modules.initial import scramble
    from anetc.modules.network import build_network
    from anetc.weights.files import load_weights

    model = build_network(network, seed=seed)
    if weights is not None:
        load_weights(model, weights)
    else:
        scramble(model, seed)  # else verification would be blind
    return model.eval()
