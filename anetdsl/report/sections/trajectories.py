"""How the learned weights of edges go along the line of descent to the best network."""

from __future__ import annotations

from collections import defaultdict

from anetdsl.diff import SINK
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.ir import Network
from anetdsl.report.charts import heat_map
from anetdsl.report.facts import Judged, lineage
from anetdsl.report.markup import Markup, figure, paragraph, text
from anetdsl.report.pictures import network_of

_MOST_EDGES = 40
_MOST_GENERATIONS = 32


def weight_trajectories(run: Run, last: Judged) -> Markup:
    """A row for each edge, a column for each generation, shaded by the weight."""
    chain = [
        (record.name, network)
        for record in lineage(run, last.record)
        if (network := network_of(record)) is not None
    ][-_MOST_GENERATIONS:]
    weights: dict[str, dict[int, float]] = defaultdict(dict)
    for generation, (_, network) in enumerate(chain):
        for edge, weight in _weights(network).items():
            weights[edge][generation] = weight
    if not weights:
        return paragraph(text("No candidate of this line has learned weights."), class_="faint")
    # Those that lived longest first; of these, those that end the strongest.
    order = sorted(weights, key=lambda edge: (-len(weights[edge]), -max(weights[edge].items())[1]))
    now = len(chain) - 1
    lasting = [edge for edge in order if len(weights[edge]) > 1 or now in weights[edge]]
    shown = lasting[:_MOST_EDGES]
    chart = heat_map(
        [[weights[edge].get(generation) for generation in range(len(chain))] for edge in shown],
        rows=shown,
        columns=[name for name, _ in chain],
        title="Learned weights of edges along the line to the best network",
        description=f"{len(shown)} edges over {len(chain)} generations.",
        x_label="generation, the first ancestor on the left",
        heading=False,
        styled=False,
        width=960,
    )
    left_out = (
        f" The {len(shown)} edges that lived longest are shown, of {len(order)}; a node that is "
        "split or merged has a new name, and its edges with it."
        if len(shown) < len(order)
        else ""
    )
    return figure(
        "Edge weights over generations",
        Markup(chart),
        "Each row is an edge, from its source to the node that reads it; the darker, the higher "
        "its learned weight, from 0 to 1; empty where the edge is not there or has no weight, as a "
        "node's only input. Guided evolution keeps an edge with a probability that rises with this "
        f"weight (equation 2 of the paper).{left_out}",
    )


def _weights(network: Network) -> dict[str, float]:
    readers = [*((node.name, node.inputs) for node in network.nodes), (SINK, network.sink.inputs)]
    return {
        f"{edge.source} → {target}": edge.weight
        for target, edges in readers
        for edge in edges
        if edge.weight is not None
    }
