"""Read learned edge weights and peers from a model; write them and the score into a text."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch
from torch import nn

from anetc.arguments import check_type
from anetc.modules.names import EDGES, MIXTURE, full_name
from anetc.modules.network import NetworkParts
from anetc.weights.network_structure import structure_of
from anetdsl.checking import check_file, check_source, network_of
from anetdsl.errors import CannotRun
from anetdsl.ir import Score
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned, set_score
from anetdsl.vocabulary import STATEMENTS


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


def learned_peers(model: NetworkParts) -> dict[str, dict[str, float]]:
    """Return the shares of the peers by node: softmax(h), averaged over the node's connections.

    It is empty without peer attention. Shares are learned also with fixed edge weights. The result
    has no nodes that are not trained (`requires_grad`).
    """
    peers: dict[str, dict[str, float]] = {}
    if model.network.attention == "peer":
        by_level = model.network.peers_by_level()
        for node in model.network.nodes:
            if not node.is_stem:
                h = model.get_parameter(full_name(node.name, MIXTURE))
                if h.requires_grad:
                    shares = torch.softmax(h.detach().double().cpu(), dim=1).mean(dim=0)
                    names = [peer.name for peer in by_level[node.level]]
                    peers[node.name] = dict(zip(names, shares.tolist(), strict=True))
    return peers


def learned_text(
    module: nn.Module,
    source: str | os.PathLike[str] | SourceFile,
    *,
    score: Mapping[str, float] | None = None,
) -> str:
    """Return a network's text with the weights that a module has learned in any training loop.

    These are the weights of edges, and the shares of peers.

    Comments and layout do not change. `anetc.weights.files.save_weights` saves all other weights.

    Args:
        module: Module of `build_network`, or one that holds it: `DistributedDataParallel`, the
            result of `torch.compile`, or a module of one's own.
        source: Path of the network's text. A string of several lines is the text itself.
        score: Measures by name for the statement `score`, such as `{"top1": 61.5}`. Without it the
            text's own score is removed, because it belongs to other weights.

    Raises:
        AnetError: The text has errors.
        CannotRun: The text cannot be read or is of another network, the module does not hold one
            network, its edge weights or a measure are not finite, or there is no such measure.
    """
    check_type("learned_text", "module", module, nn.Module)
    check_type("learned_text", "source", source, str, os.PathLike, SourceFile)
    check_type("learned_text", "score", score, Mapping, type(None))
    model = _network_part(module)
    text = _source(source)
    network = network_of(check_source(text))
    if structure_of(network) != structure_of(model.network):
        raise CannotRun(
            f"{text.name}: the text is of another network than the module, {model.network.name}"
        )
    measures = [attribute.name for attribute in STATEMENTS["score"].attributes]
    given: Mapping[str, Any] = score or {}
    for name, value in given.items():
        if name not in measures:
            raise CannotRun(f"score: there is no measure {name!r}; there are {', '.join(measures)}")
        if not isinstance(value, Real) or not math.isfinite(value):
            raise CannotRun(f"score: `{name}` must be a finite number, not {value!r}")
    tree = parse_syntax(text)
    learned = learned_edge_weights(model)
    for name, values in learned.items():
        if not all(map(math.isfinite, values)):
            raise CannotRun(
                f"{text.name}: the edge weights of node {name} are not finite, so no text can hold "
                "them; use weights from before the training diverged"
            )
    peers = learned_peers(model)
    for name, shares in peers.items():
        if not all(map(math.isfinite, shares.values())):
            raise CannotRun(
                f"{text.name}: the attention of node {name} is not finite, so no text can hold its "
                "peers; use weights from before the training diverged"
            )
    weights = set_learned(tree, learned, None, peers)
    return apply(text.text, (*weights, *set_score(tree, _rounded(score) if score else None)))


def _network_part(module: nn.Module) -> NetworkParts:
    """Return the one module of a network in a module. Raise CannotRun if there is not one."""
    found = [part for part in module.modules() if isinstance(part, NetworkParts)]
    if len(found) != 1:
        count = "no module" if not found else f"{len(found)} modules"
        raise CannotRun(
            f"{type(module).__name__} holds {count} of a network; pass the one that "
            "anetc.build_network returned"
        )
    return found[0]


def _source(source: str | os.PathLike[str] | SourceFile) -> SourceFile:
    if isinstance(source, SourceFile):
        return source
    if isinstance(source, str) and "\n" in source.strip():
        return SourceFile("the text", source)
    return check_file(os.fspath(source)).source


def trained_text(source: SourceFile, model: NetworkParts, score: Score | None) -> str:
    """Return the author's text with the learned edge weights and peers, and the score.

    Comments and layout do not change. Measures are rounded to four decimal places.
    """
    if score is not None:
        score = _rounded(dict(score.values))
    weights, peers = learned_edge_weights(model), learned_peers(model)
    return apply(source.text, set_learned(parse_syntax(source), weights, score, peers))


def _rounded(measures: Mapping[str, float]) -> Score:
    return Score(tuple((name, round(float(value), 4)) for name, value in measures.items()))
