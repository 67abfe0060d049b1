"""`anetc diff`: how two networks differ."""

from __future__ import annotations

import click

from anetc.cli.network_input import load_network
from anetc.cli.options import frames_option, size_option
from anetdsl.diff import diff
from anetdsl.terminal import visible


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when the networks differ.")
@frames_option
@size_option
def command(old: str, new: str, exit_code: bool, frames: int, size: tuple[int, int]) -> None:
    """How the network in NEW differs from that in OLD, and what the difference costs.

    Nodes, edges and attributes: + added, - removed, ~ changed. What changes nothing about the
    network (its name, origin, score, the order of statements) is listed as well, marked #, and
    counts as no difference for --exit-code. Layout and comments are not compared.
    """
    difference = diff(load_network(old), load_network(new))
    for line in difference.lines():
        click.echo(visible(line))
    if not difference.changes_network:
        if not difference:
            click.echo("the networks are equal")
        return
    for line in difference.cost(frames=frames, size=size).lines():
        click.echo(visible(line))
    if exit_code:
        raise click.exceptions.Exit(1)
