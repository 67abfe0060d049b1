"""`anetc prune`: drop the low-weight edges of a trained network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anetc.cli.network_input import check_path, require_network, show_findings
from anetc.cli.options import frames_option, size_option
from anetc.cli.streams import show_warnings
from anetdsl.checking import check_source
from anetdsl.diff import diff
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.files import write_atomically
from anetdsl.pruning import Pruning, prune, pruned_text
from anetdsl.source import SourceFile
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetdsl.ir import Network


@click.command("prune")
@click.argument("file")
@click.option(
    "--below",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    required=True,
    metavar="B",
    help="Drop edges whose weight is below B.",
)
@click.option(
    "-o", "--output", metavar="OUT", help="The file to write; standard output by default."
)
@click.option(
    "--drop-nodes",
    is_flag=True,
    help="Also remove nodes and inputs that the sink does not depend on.",
)
@click.option("--weights", metavar="FILE", help="Weights of the network (.safetensors).")
@click.option(
    "--weights-out", metavar="OUT", help="File to write for the weights of the pruned network."
)
@frames_option
@size_option
def command(
    file: str,
    below: float,
    output: str | None,
    drop_nodes: bool,
    weights: str | None,
    weights_out: str | None,
    frames: int,
    size: tuple[int, int],
) -> None:
    """Drop the low-weight edges of the trained network in FILE, and print the change of its cost.

    Each node keeps its strongest input. Each node that was read keeps its strongest reader, unless
    --drop-nodes removes such nodes. Comments are kept; the score is removed.

    With --weights the weights are pruned, too. The pruned network computes the same as the old
    network without the dropped edges.
    """
    if math.isnan(below):  # click accepts nan in any range
        raise click.BadParameter("'nan' is not a number.", param_hint="'--below'")
    if (weights is None) != (weights_out is None):
        raise CannotRun("--weights and --weights-out must be given together")
    checked = check_path(file)
    network = require_network(checked)
    if not _is_trained(network):
        raise CannotRun(
            f"{checked.source.name}: no edge has a weight; train the network before pruning it"
        )
    pruning = prune(network, below, drop_nodes=drop_nodes)
    text = pruned_text(checked.source.text, pruning)
    again = check_source(SourceFile(checked.source.name, text))
    if again.network is None:
        show_findings(again.source, again.errors)
        raise CannotRun(
            f"--below {below:g}: the pruned network has errors, see above; use a smaller value"
        )
    if weights is not None and weights_out is not None:
        _prune_weights(pruning, weights, weights_out)
    if output is None:
        click.echo(text.encode("utf-8"), nl=False)
    else:
        write_atomically(output, text)
    for line in pruning.lines():
        click.echo(visible(line), err=True)
    count, total = len(pruning.dropped), _weighted_edges(pruning.old)
    click.echo(
        f"{count} of {total} weighted edges dropped, {len(pruning.spared)} kept below {below:g}",
        err=True,
    )
    for line in diff(pruning.old, pruning.new).cost(frames=frames, size=size).lines():
        click.echo(line, err=True)


def _prune_weights(pruning: Pruning, weights: str, out: str) -> None:
    if not Path(weights).exists():
        raise cannot_read(weights)
    # torch takes seconds to import.
    from anetc.modules.network import build_network
    from anetc.weights.files import assign_weights, read_weights, save_weights
    from anetc.weights.inherit.lookup import find_network_misfit
    from anetc.weights.inherit.prune import pruned_tensors
    from anetc.weights.network_structure import structure_warning

    info, tensors = read_weights(weights)
    if (problem := find_network_misfit(pruning.old, tensors)) is not None:
        raise CannotRun(f"{weights}: these weights are not those of the network: {problem}")
    if (warning := structure_warning(pruning.old, info, weights)) is not None:
        show_warnings([warning])
    made = pruned_tensors(pruning, tensors)
    model = build_network(pruning.new)
    assign_weights(model, made.tensors, weights)
    save_weights(model, out, info.trained_on)
    for name, error in made.fitted:
        click.echo(f"fitted  {visible(name)}: relative error {error:.2g}", err=True)


def _is_trained(network: Network) -> bool:
    """Return whether any edge has a weight."""
    return any(edge.weight is not None for node in network.nodes for edge in node.inputs)


def _weighted_edges(network: Network) -> int:
    """Return the number of edges that can be dropped: those into nodes with several inputs."""
    return sum(len(node.inputs) for node in network.nodes if node.has_edge_weights)
