"""`anetc prune`: drop the low-weight edges of a trained network."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

import click

from anetc.cli.network_input import check_path, require_network, show_findings
from anetc.cli.options import frames_option, size_option
from anetc.cli.streams import show_warnings
from anetdsl.checking import check_source
from anetdsl.diff import diff
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.pruning import Pruning, edge_count, prune, pruned_text, weights_of
from anetdsl.source import SourceFile
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.api.prune_weights import PrunedWeights
    from anetdsl.ir import Network


@click.command("prune")
@click.argument("file")
@click.option(
    "--below",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="B",
    help="Drop edges whose weight is below B.",
)
@click.option(
    "--edges",
    type=click.IntRange(1),
    metavar="N",
    help="Drop the weakest edges until N edges between nodes are left.",
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
@click.option(
    "--data", metavar="DATA", help="Measure batch normalisation again on training clips of DATA."
)
@click.option("--format", "format_", metavar="FORMAT", help="Format of --data, if not guessed.")
@click.option(
    "--clips",
    type=click.IntRange(2),
    default=256,
    show_default=True,
    help="Number of these clips.",
)
@frames_option
@size_option
def command(
    file: str,
    below: float | None,
    edges: int | None,
    output: str | None,
    drop_nodes: bool,
    weights: str | None,
    weights_out: str | None,
    data: str | None,
    format_: str | None,
    clips: int,
    frames: int,
    size: tuple[int, int],
) -> None:
    """Drop the low-weight edges of the trained network in FILE, and print the change of its cost.

    Each node keeps its strongest input. Each node that was read keeps its strongest reader, unless
    --drop-nodes removes such nodes. Comments are kept; the score is removed.

    With --weights the weights are pruned, too. The pruned network computes the same as the old
    network without the dropped edges. Its normalisations then get other values than in the
    training: --data measures their statistics again. Train the pruned network afterwards; the
    command prints how.
    """
    if below is not None and math.isnan(below):  # click accepts nan in any range
        raise click.BadParameter("'nan' is not a number.", param_hint="'--below'")
    if (below is None) == (edges is None):
        raise CannotRun("give one of --below B and --edges N")
    if (weights is None) != (weights_out is None):
        raise CannotRun("--weights and --weights-out must be given together")
    if data is not None and weights is None:
        raise CannotRun("--data measures statistics of weights; give --weights and --weights-out")
    checked = check_path(file)
    network = require_network(checked)
    if not _is_trained(network):
        raise CannotRun(
            f"{checked.source.name}: no edge has a weight; train the network before pruning it"
        )
    pruning = prune(network, below, edges=edges, drop_nodes=drop_nodes)
    text = pruned_text(checked.source.text, pruning)
    again = check_source(SourceFile(checked.source.name, text))
    if again.network is None:
        show_findings(again.source, again.errors)
        option = f"--below {below:g}" if below is not None else f"--edges {edges}"
        raise CannotRun(f"{option}: the pruned network has errors, see above; drop fewer edges")
    made = None
    if weights is not None and weights_out is not None:
        # torch takes seconds to import.
        from anetc.api.prune_weights import prune_weights

        made = prune_weights(pruning, weights, weights_out, data=data, format=format_, clips=clips)
        show_warnings(made.notes)
    if output is None:
        click.echo(text.encode("utf-8"), nl=False)
    else:
        write_atomically(output, text)
    _show_changes(pruning, below, made, frames, size)
    show_warnings(pruning.doubts())
    _show_next_step(output, weights_out, data, format_, made)


def _show_changes(
    pruning: Pruning,
    below: float | None,
    made: PrunedWeights | None,
    frames: int,
    size: tuple[int, int],
) -> None:
    """Print the dropped edges and removed nodes, and the change of the cost."""
    old, new = pruning.old, pruning.new
    for line in pruning.lines():
        click.echo(visible(line), err=True)
    bar = f" below {below:g}" if below is not None else ", weaker than dropped ones"
    click.echo(
        f"{len(pruning.dropped)} of {len(weights_of(old))} weighted edges dropped, "
        f"{len(pruning.spared)} kept{bar}",
        err=True,
    )
    click.echo(f"edges between nodes: {edge_count(old)} -> {edge_count(new)}", err=True)
    if len(new.nodes) < len(old.nodes):
        click.echo(f"nodes: {len(old.nodes)} -> {len(new.nodes)}", err=True)
    for line in diff(old, new).cost(frames=frames, size=size).lines():
        click.echo(line, err=True)
    if made is not None:
        for name, error in made.fitted:
            click.echo(f"fitted  {visible(name)}: relative error {error:.2g}", err=True)
        if made.measured:
            click.echo(
                f"batch normalisation: measured again on {made.measured} training clips", err=True
            )


def _show_next_step(
    output: str | None,
    weights_out: str | None,
    data: str | None,
    format_: str | None,
    made: PrunedWeights | None,
) -> None:
    """Print the command that trains the pruned network, from its weights if there are any."""
    words = ["anetc", "train", output or "PRUNED.anet", "--data", data or "DATA"]
    if format_ is not None:
        words += ["--format", format_]
    if made is not None and made.trained_on is not None:
        clip = made.trained_on.training
        words += ["--frames", str(clip.frames), "--size", "{}x{}".format(*clip.size)]
    if weights_out is not None:
        words += ["--init-from", weights_out]
        if output is not None:
            words += ["--init-text", output]
    words += ["--out", "RUN"]
    if made is not None and not made.measured:
        click.echo(
            "The statistics of batch normalisation are those of the old network: --data measures "
            "them again.",
            err=True,
        )
    click.echo(f"next: {visible(shlex.join(words))}", err=True)


def _is_trained(network: Network) -> bool:
    """Return whether any edge has a weight."""
    return any(edge.weight is not None for node in network.nodes for edge in node.inputs)
