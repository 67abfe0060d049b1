"""`anetc connect`: add all possible edges to a network."""

from __future__ import annotations

import math

import click

from anetc.cli.network_input import check_path, require_network, show_findings
from anetc.cli.options import frames_option, size_option
from anetdsl.checking import check_source
from anetdsl.diff import diff
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.source import SourceFile


@click.command("connect")
@click.argument("file")
@click.option("--all", "all_edges", is_flag=True, help="Add all possible edges.")
@click.option("--max-inputs", type=click.IntRange(1), help="Most inputs of a node.")
@click.option(
    "--levels", type=click.IntRange(1), help="Most levels between the two nodes of an edge."
)
@click.option(
    "--weight",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="W",
    help="Weight of the new edges; without it they are untrained.",
)
@click.option(
    "-o", "--output", metavar="OUT", help="The file to write; standard output by default."
)
@frames_option
@size_option
def command(
    file: str,
    all_edges: bool,
    max_inputs: int | None,
    levels: int | None,
    weight: float | None,
    output: str | None,
    frames: int,
    size: tuple[int, int],
) -> None:
    """Add all possible edges to the network in FILE, and print the change of its cost.

    Possible are the edges from a node to each node at a higher level, stems included. Train the
    network once, then keep the strongest edges with `anetc prune --edges`.
    """
    if weight is not None and math.isnan(weight):  # click accepts nan in any range
        raise click.BadParameter("'nan' is not a number.", param_hint="'--weight'")
    if not all_edges:
        raise CannotRun("give --all, the edges to add; --max-inputs and --levels limit them")
    from anetdsl.evolve.propose.connecting import (
        ConnectLimits,
        check_connectable,
        connected,
        connected_text,
        missing_edges,
    )

    checked = check_path(file)
    network = require_network(checked)
    check_connectable(network)
    limits = ConnectLimits(max_inputs, levels)
    made = connected(network, limits, weight)
    text = connected_text(checked.source, network, made)
    again = check_source(SourceFile(checked.source.name, text))
    if again.network is None:
        show_findings(again.source, again.errors)
        raise CannotRun(f"{checked.source.name}: the connected network has errors, see above")
    if output is None:
        click.echo(text.encode("utf-8"), nl=False)
    else:
        write_atomically(output, text)
    added = len(missing_edges(network, limits))
    click.echo(f"{added} edge{'s' * (added != 1)} added", err=True)
    for line in diff(network, made).cost(frames=frames, size=size).lines():
        click.echo(line, err=True)
