"""What a training run leaves behind: weights, and the author's text with what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from anetc.modules.connection import Connection
from anetc.modules.names import module_key
from anetdsl.ir import Score
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned

if TYPE_CHECKING:
    from anetc.modules.network import NetworkParts
    from anetdsl.source import SourceFile


def learned_edges(model: NetworkParts) -> dict[str, tuple[float, ...]]:
    """sigmoid(w) of each node's inputs, in their order, by node; none where edges are fixed.

    Left out are nodes with a sole input, which has no weight, and nodes that were not trained
    because the sink does not read them.
    """
    if model.network.edges == "fixed":
        return {}
    found: dict[str, tuple[float, ...]] = {}
    for node in model.network.nodes:
        for part in model.nodes[module_key(node.name)].children():
            if isinstance(part, Connection) and node.has_edge_weights and part.w.requires_grad:
                weights = torch.sigmoid(part.w.detach().double()).cpu()
                found[node.name] = tuple(weights.tolist())
    return found


def trained_text(source: SourceFile, model: NetworkParts, score: Score | None) -> str:
    """The author's text, comments and layout kept, with learned edge weights and the score.

    Measures are rounded to four digits behind the point.
    """
    if score is not None:
        score = Score(tuple((name, round(value, 4)) for name, value in score.values))
    return apply(source.text, set_learned(parse_syntax(source), learned_edges(model), score))
