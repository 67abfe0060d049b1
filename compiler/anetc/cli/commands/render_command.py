"""`anetc render`: draw a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from anetc.cli.network_input import load_network
from anetdsl.drawing import FORMATS, draw
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible


@click.command("render")
@click.argument("file")
@click.option("-o", "--output", metavar="PATH", help="The file to write; - is standard output.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="Format of the picture; by default the suffix of PATH, or svg.",
)
@click.option("--weights", is_flag=True, help="Draw edges by their learned weights.")
@click.option("--peers", is_flag=True, help="Draw the peers of peer attention as dotted edges.")
@click.option("--diff", "other", metavar="OTHER", help="Draw the differences from OTHER to FILE.")
@click.option(
    "--direction",
    type=click.Choice(["LR", "TB"]),
    default="LR",
    show_default=True,
    help="Levels as columns from left to right, or as rows from top to bottom.",
)
@click.option("--dot", metavar="PROGRAM", help="The Graphviz program that draws.")
def command(
    file: str,
    output: str | None,
    format_name: str | None,
    weights: bool,
    peers: bool,
    other: str | None,
    direction: Literal["LR", "TB"],
    dot: str | None,
) -> None:
    """Draw the network in FILE, as in Figure 1 of the paper.

    Without -o the picture is written to the folder of FILE, with the format as suffix. With
    --weights, an edge with a higher weight is darker and wider, and an untrained edge is dashed.
    With --peers, a dotted edge leads from each peer, the darker the higher its learned share. The
    format pdf needs the program `dot` of Graphviz.
    """
    ending = Path(output).suffix.lower().lstrip(".") if output else ""
    chosen = format_name or ("svg" if ending not in FORMATS else ending)
    if format_name is None and output not in (None, "-") and ending not in FORMATS:
        raise CannotRun(
            f"{output}: unknown format; use the suffix .svg, .png, .pdf or .dot, or --format"
        )
    if output is None:
        output = "-" if file == "-" else str(Path(file).with_suffix(f".{chosen}"))
    network = load_network(file)
    compared = load_network(other) if other is not None else None
    if peers and (compared is not None or network.attention != "peer"):
        why = "with --diff" if compared is not None else "of a network without attention=peer"
        raise CannotRun(f"--peers: no peers can be drawn {why}; leave --peers out")
    picture = draw(
        network,
        chosen,
        weights=weights,
        peers=peers,
        diff=compared,
        direction=direction,
        dot=dot,
    )
    assert picture is not None  # `chosen` is a format, not a path
    data = picture.encode() if isinstance(picture, str) else picture
    if output == "-":
        sys.stdout.buffer.write(data)
        return
    from anetdsl.files import check_not_input, write_atomically

    check_not_input(output, file, other)
    write_atomically(output, data)
    click.echo(f"wrote {visible(output)}", err=True)
