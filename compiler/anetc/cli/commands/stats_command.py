"""`anetc stats`: the cost of a network."""

from __future__ import annotations

import json

import click

from anetc.cli.network_input import load_network
from anetc.cli.options import classes_option, frames_option, size_option
from anetc.cli.tables import show_table
from anetdsl.cost import Cost, NodeCost, cost
from anetdsl.terminal import short_bytes, short_count, visible

_HEADER = (
    "node",
    "C x T x H x W",
    "parameters",
    "multiply-adds",
    "activations",
    "T field",
    "S field",
    "depth",
)


@click.command("stats")
@click.argument("file")
@frames_option
@size_option
@classes_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    file: str, frames: int, size: tuple[int, int], classes: int | None, as_json: bool
) -> None:
    """Print the cost of the network in FILE for one clip, per node and in total.

    The counts are exact. Parameters are the trainable ones. Multiply-adds are those of
    convolutions and classifier. Activations are the memory of all outputs of convolutions and
    classifier in float32. T field and S field are the receptive field of one output element in
    frames and in pixels per side. Depth is the number of convolutions on the longest path.
    """
    result = cost(load_network(file), frames=frames, size=size, classes=classes)
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
        return
    click.echo(
        f"{visible(result.network)}: one clip of {frames} frames, {size[0]} x {size[1]} pixels, "
        f"{result.classes} classes\n"
    )
    show_table(_HEADER, [_row(node) for node in (*result.nodes, result.sink)], _total(result))
    click.echo(
        f"\nDepth {result.depth} convolutions in {result.blocks} blocks; "
        f"weights take {short_bytes(result.weight_bytes)}."
    )


def _row(node: NodeCost) -> tuple[str, ...]:
    return (
        node.name,
        " x ".join(map(str, node.shape)),
        f"{node.parameters:,}",
        short_count(node.multiply_adds),
        short_bytes(node.activation_bytes),
        str(node.temporal_field),
        str(node.spatial_field),
        str(node.depth),
    )


def _total(result: Cost) -> tuple[str, ...]:
    return (
        "total",
        "",
        f"{result.parameters:,}",
        short_count(result.multiply_adds),
        short_bytes(result.activation_bytes),
        str(result.temporal_field),
        str(result.spatial_field),
        str(result.depth),
    )
