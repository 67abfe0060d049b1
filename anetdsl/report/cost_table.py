"""Tabulate the cost of a network, node by node."""

from __future__ import annotations

from anetdsl.cost import Cost, NodeCost
from anetdsl.report.markup import Markup, TableColumn, table, tiles
from anetdsl.report.wording import amount
from anetdsl.terminal import short_bytes

_COLUMNS = (
    TableColumn("node"),
    TableColumn("C x T x H x W"),
    TableColumn("parameters", "number"),
    TableColumn("share", "number", 1),
    TableColumn("multiply-adds", "amount"),
    TableColumn("activations, KiB", "number", 1),
    TableColumn("temporal field", "number"),
    TableColumn("spatial field", "number"),
    TableColumn("depth", "number"),
)


def cost_tiles(counted: Cost) -> Markup:
    """Return the totals of a network."""
    figures = (
        (
            "parameters",
            f"{counted.parameters:,}",
            f"{short_bytes(counted.weight_bytes)} of weights",
        ),
        ("multiply-adds", amount(counted.multiply_adds), "for one clip"),
        ("activations", short_bytes(counted.activation_bytes), "for one clip, in float32"),
        ("receptive field", f"{counted.temporal_field} frames", f"{counted.spatial_field} pixels"),
        ("depth", f"{counted.depth}", f"convolutions in {counted.blocks} blocks"),
        ("classes", f"{counted.classes}", ""),
    )
    return tiles(figures)


def cost_table(counted: Cost) -> Markup:
    """Return the table of all nodes and the sink."""
    rows = [_row(node, counted) for node in (*counted.nodes, counted.sink)]
    caption = (
        f"One clip of {counted.frames} frames, {counted.height} x {counted.width} pixels. "
        "Share is the percentage of the parameters. Activations are the memory of all outputs "
        "in float32."
    )
    return table(_COLUMNS, rows, caption=caption)


def _row(node: NodeCost, counted: Cost) -> tuple[str | float | None, ...]:
    return (
        node.name,
        "\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}".join(map(str, node.shape)),
        node.parameters,
        100 * node.parameters / counted.parameters if counted.parameters else None,
        node.multiply_adds,
        node.activation_bytes / 1024,
        node.temporal_field,
        node.spatial_field,
        node.depth,
    )
