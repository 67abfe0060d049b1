"""Prune the weights of a network, and measure its batch normalisation again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from anetc.data.batches.loader import needs_flow, training_batches
from anetc.data.open import open_data
from anetc.data.recipes import recipes_for
from anetc.data.spec import parse_spec
from anetc.data.values import object_channels
from anetc.evaluation.as_trained import recipe_as_trained, with_trained_classes
from anetc.evaluation.runner import check_classes
from anetc.modules.network import build_network
from anetc.training.clip_statistics import measure_statistics
from anetc.weights.files import assign_weights, read_weights, save_weights
from anetc.weights.inherit.lookup import find_network_misfit
from anetc.weights.inherit.prune import pruned_tensors
from anetc.weights.network_structure import structure_warning
from anetdsl.errors import CannotRun, cannot_read

if TYPE_CHECKING:
    from anetc.data.values import Dataset
    from anetc.weights.trained_on import TrainedOn
    from anetdsl.ir import Network
    from anetdsl.pruning import Pruning

BATCH = 16
"""Number of clips that are computed at a time to measure statistics."""


@attrs.frozen
class PrunedWeights:
    """Result of `prune_weights`."""

    trained_on: TrainedOn | None
    """The training that the weights file describes."""
    fitted: tuple[tuple[str, float], ...]
    """Names of the adapters that were fitted, with the relative error of their effect."""
    measured: int
    """Number of clips that statistics were measured on; 0 without data."""
    notes: tuple[str, ...]
    """Warnings."""


def prune_weights(
    pruning: Pruning,
    weights: str,
    out: str,
    *,
    data: str | None = None,
    format: str | None = None,
    clips: int = 256,
    seed: int = 0,
) -> PrunedWeights:
    """Write the weights of a pruned network: it computes what the old one does without the edges.

    With `data`, the statistics of batch normalisation are measured again on `clips` training clips,
    cut as in the training that the weights file describes.

    Args:
        pruning: Result of `anetdsl.pruning.prune`.
        weights: Weights file of the network before pruning.
        out: Weights file to write.
        data: Name of a data set, as for `--data`, with the classes of the training.
        format: Format of `data`, if its path does not show it.
        clips: Number of clips, rounded up to whole batches.
        seed: Seed of the order of the clips and of their places.

    Raises:
        CannotRun: A file cannot be read or written, the weights are not those of the network, or
            the data have other classes.
    """
    if not Path(weights).exists():
        raise cannot_read(weights)
    info, tensors = read_weights(weights)
    if (problem := find_network_misfit(pruning.old, tensors)) is not None:
        raise CannotRun(f"{weights}: these weights are not those of the network: {problem}")
    notes = []
    if (warning := structure_warning(pruning.old, info, weights)) is not None:
        notes.append(warning)
    made = pruned_tensors(pruning, tensors)
    model = build_network(pruning.new)
    assign_weights(model, made.tensors, weights)
    measured = 0
    if data is not None:
        dataset, differences = _training_clips(pruning.new, data, format, info.trained_on, weights)
        notes.extend(differences)
        batches = training_batches(dataset, batch=min(BATCH, clips), seed=seed)
        with closing(batches):
            measured = measure_statistics(model, pruning.new, batches, clips)
    save_weights(model, out, info.trained_on)
    return PrunedWeights(info.trained_on, made.fitted, measured, tuple(notes))


def _training_clips(
    network: Network,
    data: str,
    format: str | None,
    trained_on: TrainedOn | None,
    weights: str,
) -> tuple[Dataset, tuple[str, ...]]:
    """Open the training split, with the clips and the classes of the training."""
    spec = parse_spec(data, format)
    recipe = recipes_for(spec).train
    if trained_on is not None:
        recipe = recipe_as_trained(recipe, trained_on.training)
    dataset = open_data(
        spec, "train", recipe, flow=needs_flow(network), objects=object_channels(network)
    )
    if trained_on is None:
        check_classes(network, dataset)
        return dataset, ()
    return with_trained_classes(dataset, trained_on, weights)
