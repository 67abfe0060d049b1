"""Evaluate a weights file on a split of a data set, by the protocol of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from anetc.evaluation.as_trained import check_network_fits
from anetc.weights.metadata import read_info
from anetc.weights.network_structure import structure_warning

if TYPE_CHECKING:
    from anetc.data.values import Dataset
    from anetc.devices import EngineChoice, PrecisionChoice
    from anetc.evaluation.eval_request import EvalRequest
    from anetc.evaluation.runner import Progress
    from anetc.evaluation.scores import Evaluation
    from anetdsl.ir import Network


@attrs.frozen(kw_only=True)
class EvalComputation:
    """Device, engine and batches of an evaluation."""

    batch: int = 8
    """Number of clips to compute at once."""
    workers: int = 0
    """Number of processes that load clips; 0 loads them in this process."""
    engine: EngineChoice = "fast"
    device: str = "auto"
    precision: PrecisionChoice = "auto"
    threads: int | None = None
    """Number of threads that compute; None keeps that of PyTorch."""
    max_failures: float = 0.05
    """Largest fraction of videos that may be unreadable."""
    message: Callable[[str], None] = lambda _: None
    """Function that is called with a line about the device before the network runs."""


def evaluate_weights(
    network: Network,
    weights: str,
    request: EvalRequest,
    how: EvalComputation,
    ready: Callable[[Dataset, tuple[str, ...]], Progress | None] | None = None,
) -> tuple[Evaluation, Mapping[str, Any], tuple[str, ...]]:
    """Evaluate a network with the weights of a file on the videos of a request.

    Return the evaluation; network, data, split, recipe, seed, precision and device; and warnings.
    `ready` is called with the opened split and the warnings before the network runs, and may return
    a function that is called with the number of videos done.

    Raise CannotRun if the weights do not fit, the data cannot be opened or have other classes, or
    too many videos cannot be read.
    """
    info = read_info(weights)
    if info.trained_on is not None:
        check_network_fits(network, info.trained_on, weights)
    from anetc.data.values import object_channels

    flow = any(value.kind == "flow" for value in network.inputs)
    dataset, about, notes = request.open_videos(
        weights, info.trained_on, flow=flow, objects=object_channels(network)
    )
    if (warning := structure_warning(network, info, weights)) is not None:
        notes = (warning, *notes)
    progress = None if ready is None else ready(dataset, notes)
    # torch takes seconds to import.
    from anetc.devices import resolve, set_up
    from anetc.engines.inference.inference_engine import compile_network
    from anetc.evaluation.runner import check_classes, evaluate

    device = resolve(how.device, how.precision, engine=how.engine)
    check_classes(network, dataset)
    set_up(device, how.threads)
    how.message(device.line())
    compiled = compile_network(network, weights=weights, device=device.name)
    evaluation = evaluate(
        compiled if device.engine == "fast" else compiled.reference,
        network,
        dataset,
        batch=how.batch,
        workers=how.workers,
        device=device.name,
        precision=device.precision,
        seed=request.seed,
        max_failures=how.max_failures,
        progress=progress,
    )
    computed = {"precision": device.precision, "device": device.to_json()}
    about = {"network": network.name, **about, "seed": request.seed, **computed}
    return evaluation, about, notes
