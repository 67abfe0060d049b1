"""Find the network text that belongs to a weights file, and inherit from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import SINK
from anetc.modules.network import NetworkModule, NetworkParts
from anetc.weights.files import find_misfit, read_weights
from anetc.weights.inherit.inheritance import Inheritance, inherit
from anetc.weights.inherit.new_head import new_head, with_classes_of
from anetc.weights.network_structure import structure_warning
from anetc.weights.trained_on import MATCHED_BY_NUMBER, ClassMatch, TrainedOn, match_classes
from anetdsl.checking import check_file
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetdsl.evolve.operations import Operation
    from anetdsl.ir import Network

_TEXT_NAMES = ("model.anet", "trained.anet")
"""Names of the texts that `anetc train` and `anetc trial` write beside the weights."""


def inherit_from_file(
    model: NetworkParts,
    weights: str | Path,
    text: str | Path | None = None,
    operations: Sequence[Operation] = (),
    *,
    classes: Sequence[str] | None = None,
    other_classes: bool = False,
) -> Inheritance:
    """Copy the weights of a parent from a file into a model, as far as they fit; see `inherit`.

    `classes` are the names of the model's classes. The parent must have been trained on the same
    ones, in any order: each row of its classifier goes to the class of the same name. With
    `other_classes` it may have others: classes without the name of one of the parent's keep the
    initial values of the classifier.

    `text` is the parent's text. By default it is `model.anet` or `trained.anet` beside the weights,
    or the model's own text if the weights fit it. `operations` lead from the parent to the model's
    network; without operations, nodes of equal names correspond. Raise CannotRun for a file that
    cannot be read, for weights that fit no text, and for weights of other classes.
    """
    weights = Path(weights)
    info, tensors = read_weights(weights)
    notes: tuple[str, ...] = ()
    head = None
    if classes is not None and other_classes:
        head = new_head(info.trained_on, classes)
        notes = (head.note,)
    elif classes is not None:
        match, notes = _match_parent(weights, info.trained_on, classes)
        if match is not None and not match.is_identical:
            tensors = reordered_classifier(tensors, match)
    if text is not None:
        parent = _load(Path(text))
        if (problem := find_network_misfit(parent, tensors)) is not None:
            raise CannotRun(f"{weights}: the weights do not fit {text}: {problem}")
    else:
        own = model.network if head is None else with_classes_of(model.network, tensors)
        parent = _find_parent(own, weights, tensors)
    if (warning := structure_warning(parent, info, weights)) is not None:
        notes = (*notes, f"warning: {warning}")
    return attrs.evolve(inherit(model, parent, tensors, operations, head), notes=notes)


def reordered_classifier(tensors: Mapping[str, Tensor], match: ClassMatch) -> dict[str, Tensor]:
    """Return the tensors with the rows of the classifier in the order of the data's classes.

    The network must have all classes of the data (`match.is_complete`). Tensors without one row for
    each of its classes do not change.
    """
    order = torch.tensor([number for number in match.numbers if number is not None])
    rows = len(match.trained)
    return {
        name: tensor[order]
        if name.startswith(f"{SINK}.") and tensor.shape[:1] == (rows,)
        else tensor
        for name, tensor in tensors.items()
    }


def _match_parent(
    weights: Path, trained_on: TrainedOn | None, classes: Sequence[str]
) -> tuple[ClassMatch | None, tuple[str, ...]]:
    """Compare the classes of a parent with those of the data; return notes for the report, too.

    Raise CannotRun if the names differ.
    """
    if trained_on is None:
        return None, (
            f"warning: {weights} does not hold the names of its classes; if they are not those of "
            "the data, in the same order, the inherited classifier is wrong",
        )
    match = match_classes(trained_on.classes, classes)
    if not match.is_reordered:
        raise CannotRun(
            f"{weights}: {match.difference()}. The inherited classifier would belong to other "
            "classes: use data with the same class names, or add --new-head, which inherits "
            "only the classes with equal names"
        )
    if match.by_number:
        return match, (f"warning: {weights}: {MATCHED_BY_NUMBER}",)
    if match.is_identical:
        return match, ()
    return match, ("classifier: the rows of the parent are reordered by the names of the classes",)


def find_network_misfit(network: Network, tensors: Mapping[str, Tensor]) -> str | None:
    """Return in words why tensors do not fit a network, or None if they fit."""
    with torch.device("meta"):
        return find_misfit(NetworkModule(network).state_dict(), tensors)


def _find_parent(own: Network, weights: Path, tensors: Mapping[str, Tensor]) -> Network:
    """Return the network of a text beside the weights, or `own`, whichever the weights fit."""
    names = (f"{weights.stem}.anet", *_TEXT_NAMES)  # best.anet belongs to best.safetensors
    for path in map(weights.with_name, dict.fromkeys(names)):
        if path.is_file() and find_network_misfit(parent := _load(path), tensors) is None:
            return parent
    if find_network_misfit(own, tensors) is None:
        return own
    raise CannotRun(
        f"{weights}: no network text found that these weights fit: neither this network nor a "
        f"{' or '.join(_TEXT_NAMES)} beside the weights; pass the parent's text with --init-text"
    )


def _load(path: Path) -> Network:
    checked = check_file(path)
    if checked.network is None:
        raise CannotRun(f"{path}: the parent's text has errors; `anetc check` shows them")
    return checked.network
