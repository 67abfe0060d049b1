"""Writing learned weights and a score into a text changes nothing else."""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anetdsl
from anetdsl.ir import Edge, Network, Score
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned
from anetdsl.text.edits.learned import written_share, written_weight
from tests.networks import networks

TEXT = """\
anet 1
network n  # the name
origin parent="g1"
input rgb channels=3
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb] # a stem
node n1 level=1 C=4 r=1 stride=1 inputs=[s0] # nothing to learn
node n2 level=2 C=4 r=1 stride=2 inputs=[ s0 @ 0.5 , # first
   n1, s0@.25, ] # three edges
sink inputs=[n2] classes=3
"""


def learned(
    text: str,
    weights: dict[str, list[float]],
    score: Score | None = None,
    peers: dict[str, dict[str, float]] | None = None,
) -> str:
    return apply(text, set_learned(parse_syntax(SourceFile("x", text)), weights, score, peers))


def test_only_weights_and_score_change() -> None:
    """A source that is listed twice has two weights."""
    after = learned(TEXT, {"n2": [0.125, 0.5000004, 0.75]}, Score((("top1", 31.5), ("loss", 2.0))))
    assert after == TEXT.replace("s0 @ 0.5 ,", "s0 @ 0.125 ,").replace("n1,", "n1@0.5,").replace(
        "s0@.25", "s0@0.75"
    ).replace('parent="g1"\n', 'parent="g1"\nscore top1=31.5 loss=2.0\n')


def test_a_new_score_replaces_the_old_one_and_none_keeps_it() -> None:
    scored = TEXT.replace('"g1"\n', '"g1"\nscore top1=1 fitness=2 # of before\n')
    assert learned(scored, {}) == scored
    after = learned(scored, {}, Score((("top1", 3.0),)))
    assert "score top1=3.0 # of before\n" in after


@pytest.mark.parametrize("value", [0.0, 1e-9, 5e-7, 0.05, 0.3141592653589793, 0.95, 1 - 1e-9, 1.0])
def test_a_written_weight_is_valid_and_close(value: float) -> None:
    """It has six decimals and is in (0, 1). From 0.05 to 0.95, w changes by 1.1e-5 at most."""
    found = written_weight(value)
    assert 0 < found < 1
    assert abs(found - value) <= 1e-6 + 1e-12
    if 0.05 <= value <= 0.95:
        assert abs(_logit(found) - _logit(value)) < 1.1e-5
    assert float(repr(found)) == found


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_unknown_nodes_and_wrong_numbers_of_weights_are_refused() -> None:
    with pytest.raises(KeyError, match="n9"):
        learned(TEXT, {"n9": [0.5]})
    with pytest.raises(ValueError, match="zip"):
        learned(TEXT, {"n2": [0.5]})


@given(networks(), st.randoms(use_true_random=False), st.integers(0, 9))
def test_the_new_text_means_the_network_with_the_weights(
    network: Network, random: object, digits: int
) -> None:
    """Weights and shares of peers are rounded. Writing them again changes nothing."""
    draw = random.random  # type: ignore[attr-defined]
    weights = {
        node.name: [draw() for _ in node.inputs]
        for node in network.nodes
        if not node.is_stem and len(node.inputs) > 1
    }
    by_level = network.peers_by_level()
    peers = {
        node.name: {peer.name: draw() for peer in by_level[node.level]}
        for node in network.nodes
        if not node.is_stem
    }
    score = Score((("loss", float(digits)),))
    text = learned(str(network), weights, score, peers)
    expected = attrs.evolve(
        network,
        score=score,
        nodes=tuple(
            attrs.evolve(
                node,
                inputs=tuple(
                    attrs.evolve(edge, weight=written_weight(weight))
                    for edge, weight in zip(node.inputs, weights[node.name], strict=True)
                )
                if node.name in weights
                else node.inputs,
                peers=tuple(
                    Edge(name, written_share(share))
                    for name, share in peers.get(node.name, {}).items()
                ),
            )
            for node in network.nodes
        ),
    )
    assert anetdsl.parse(text) == expected
    assert learned(text, weights, score, peers) == text
