"""`anetc diff`: the differences between two networks."""

from __future__ import annotations

import click

from anetc.cli.network_input import load_network
from anetc.cli.options import frames_option, size_option
from anetdsl.diff import diff
from anetdsl.terminal import visible


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the networks differ.")
@frames_option
@size_option
def command(old: str, new: str, exit_code: bool, frames: int, size: tuple[int, int]) -> None:
    """Print the differences from the network in OLD to the one in NEW, and between their costs.

    Nodes, edges and attributes: + added, - removed, ~ changed. Differences in the name, the origin,
    the score or the order of statements are marked #; they do not change what is computed, and
    --exit-code ignores them. Layout and comments are not compared.
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
