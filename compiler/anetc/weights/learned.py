"""Read learned edge weights from a model, and write them and the score into the network's text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from anetc.modules.names import EDGES, full_name
from anetdsl.ir import Score
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned

if TYPE_CHECKING:
    from anetc.modules.network import NetworkParts
    from anetdsl.source import SourceFile


def learned_edge_weights(model: NetworkParts) -> dict[str, tuple[float, ...]]:
    """Return sigmoid(w) for each node's inputs, in order, by node. It is empty for fixed edges.

    The result has no nodes with a sole input, which has no weight, and no nodes whose edge weights
    are not trained (`requires_grad`), because the sink does not need these nodes.
    """
    if model.network.edges == "fixed":
        return {}
    weights: dict[str, tuple[float, ...]] = {}
    for node in model.network.nodes:
        if node.has_edge_weights:
            w = model.get_parameter(full_name(node.name, EDGES))
            if w.requires_grad:
                weights[node.name] = tuple(torch.sigmoid(w.detach().double()).cpu().tolist())
    return weights


def trained_text(source: SourceFile, model: NetworkParts, score: Score | None) -> str:
    """Return the author's text with the learned edge weights and the score.

    Comments and layout do not change. Measures are rounded to four decimal places.
    """
    if score is not None:
        score = Score(tuple((name, round(value, 4)) for name, value in score.values))
    return apply(source.text, set_learned(parse_syntax(source), learned_edge_weights(model), score))
