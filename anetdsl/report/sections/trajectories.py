"""Chart the learned weights of edges from the first ancestor to the best network."""

from __future__ import annotations

from collections import defaultdict

from anetdsl.diff import SINK
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.ir import Network
from anetdsl.report.charts import heat_map
from anetdsl.report.facts import ScoredCandidate, lineage
from anetdsl.report.html_page import CHART_WIDTH
from anetdsl.report.markup import Markup, figure, paragraph, text
from anetdsl.report.pictures import parse_candidate

_MAX_EDGES = 40
_MAX_GENERATIONS = 32


def weight_trajectories(run: Run, last: ScoredCandidate) -> Markup:
    """Return a heat map of learned weights with a row per edge and a column per generation."""
    chain = [
        (record.name, network)
        for record in lineage(run, last.record)
        if (network := parse_candidate(record)) is not None
    ][-_MAX_GENERATIONS:]
    weights: dict[str, dict[int, float]] = defaultdict(dict)
    for generation, (_, network) in enumerate(chain):
        for edge, weight in _weights(network).items():
            weights[edge][generation] = weight
    if not weights:
        return paragraph(text("No ancestor of this candidate has learned weights."), class_="faint")
    # Edges of the most generations first; of these, edges with the highest last weight.
    order = sorted(weights, key=lambda edge: (-len(weights[edge]), -max(weights[edge].items())[1]))
    now = len(chain) - 1
    lasting = [edge for edge in order if len(weights[edge]) > 1 or now in weights[edge]]
    displayed = lasting[:_MAX_EDGES]
    chart = heat_map(
        [[weights[edge].get(generation) for generation in range(len(chain))] for edge in displayed],
        rows=displayed,
        columns=[name for name, _ in chain],
        title="Learned weights of edges from the first ancestor to the best network",
        description=f"{len(displayed)} edges over {len(chain)} generations.",
        x_label="generation, the first ancestor on the left",
        heading=False,
        styled=False,
        width=CHART_WIDTH,
    )
    left_out = (
        f" Of {len(order)} edges, the {len(displayed)} edges of the most generations are shown. "
        "Nodes that are split or merged have new names, so their edges are new as well."
        if len(displayed) < len(order)
        else ""
    )
    return figure(
        "Edge weights over generations",
        Markup(chart),
        "Each row is an edge, from its source to the node that reads it. A cell is darker the "
        "higher the learned weight, from 0 to 1. It is empty if the edge does not exist or has no "
        "weight because it is the only input of a node. Guided evolution keeps an edge with a "
        f"probability that rises with this weight (equation 2 of the paper).{left_out}",
    )


def _weights(network: Network) -> dict[str, float]:
    """Return the learned weight of each edge by its source and target."""
    readers = [*((node.name, node.inputs) for node in network.nodes), (SINK, network.sink.inputs)]
    return {
        f"{edge.source} → {target}": edge.weight
        for target, edges in readers
        for edge in edges
        if edge.weight is not None
    }
