"""`anetc prune`: low-weight edges of a trained network dropped."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anetc.cli.network_input import check_path, show
from anetc.cli.options import frames_option, size_option
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
    help="Drop edges whose weight is below this.",
)
@click.option("-o", "--output", metavar="OUT", help="Where to; standard output by default.")
@click.option("--drop-nodes", is_flag=True, help="Drop nodes too that nothing needs any more.")
@click.option("--weights", metavar="FILE", help="The network's weights (.safetensors).")
@click.option("--weights-out", metavar="OUT", help="Where to write those of the pruned network.")
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
    """Drop the low-weight edges of the trained network in FILE, and say what that saves.

    Every node keeps its strongest input, and every node that was read stays read, by its strongest
    reader, unless --drop-nodes lets such nodes go. Comments are kept; the score goes.

    With --weights the weights are pruned too: the new network computes what the old one does
    without the dropped edges.
    """
    if math.isnan(below):  # which no range rules out
        raise click.BadParameter("'nan' is no number.", param_hint="'--below'")
    if (weights is None) != (weights_out is None):
        raise CannotRun("--weights and --weights-out go together")
    checked = check_path(file)
    if checked.network is None:
        show(checked.source, checked.errors)
        raise click.exceptions.Exit(1)
    if not _is_trained(checked.network):
        raise CannotRun(f"{visible(checked.source.name)}: no edge has a weight: train it first")
    pruning = prune(checked.network, below, drop_nodes=drop_nodes)
    text = pruned_text(checked.source.text, pruning)
    again = check_source(SourceFile(checked.source.name, text))
    if again.network is None:
        show(again.source, again.errors)
        raise CannotRun(f"--below {below:g}: what would be left is no network; try a smaller one")
    if weights is not None and weights_out is not None:
        _prune_weights(pruning, weights, weights_out)
    if output is None:
        click.echo(text.encode("utf-8"), nl=False)
    else:
        write_atomically(output, text)
    for line in pruning.lines():
        click.echo(visible(line), err=True)
    count, total = len(pruning.dropped), _weighted_edges(pruning.old)
    click.echo(f"{count} of {total} weighted edges dropped, {len(pruning.spared)} spared", err=True)
    for line in diff(pruning.old, pruning.new).cost(frames=frames, size=size).lines():
        click.echo(line, err=True)


def _prune_weights(pruning: Pruning, weights: str, out: str) -> None:
    if not Path(weights).exists():
        raise cannot_read(weights)
    # torch takes seconds to import.
    from anetc.modules.network import build_network
    from anetc.weights.files import fill, read_weights, save_weights
    from anetc.weights.inherit.lookup import misfit
    from anetc.weights.inherit.prune import pruned_tensors

    _, tensors = read_weights(weights)
    if (problem := misfit(pruning.old, tensors)) is not None:
        raise CannotRun(f"{visible(weights)}: not the weights of this network: {problem}")
    made = pruned_tensors(pruning, tensors)
    model = build_network(pruning.new)
    fill(model, made.tensors, weights)
    save_weights(model, out)
    for name, error in made.fitted:
        click.echo(f"fitted  {visible(name)}: relative error {error:.2g}", err=True)


def _is_trained(network: Network) -> bool:
    """Whether any edge has a weight."""
    return any(edge.weight is not None for node in network.nodes for edge in node.inputs)


def _weighted_edges(network: Network) -> int:
    """The edges that pruning looks at: those of nodes with several inputs."""
    return sum(len(node.inputs) for node in network.nodes if node.has_edge_weights)
