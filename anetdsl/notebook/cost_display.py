"""The cost of a network as a table in a notebook."""

from __future__ import annotations

import attrs

from anetdsl.cost import Cost, NodeCost, cost
from anetdsl.ir import Network
from anetdsl.notebook.fragments import fragment
from anetdsl.report.cost_table import cost_table, cost_tiles
from anetdsl.terminal import short_count

_HEADER = ("node", "C x T x H x W", "parameters", "multiply-adds", "depth")


@attrs.frozen(repr=False)
class CostTable:
    """Cost of a network for one clip. A notebook displays it as a table, `print` as text."""

    cost: Cost

    def __repr__(self) -> str:
        """Return the table as text, with a row for each node."""
        counted = self.cost
        rows = [_HEADER, *map(_row, (*counted.nodes, counted.sink))]
        total = ("total", "", f"{counted.parameters:,}", short_count(counted.multiply_adds), "")
        rows.append((*total[:4], str(counted.depth)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths))
            ).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        """Return the table as HTML."""
        return fragment(cost_tiles(self.cost), cost_table(self.cost))


def network_stats(
    network: Network,
    *,
    frames: int = 32,
    size: tuple[int, int] = (224, 224),
    classes: int | None = None,
) -> CostTable:
    """Return the cost of a network for one clip of `frames` frames and `size` (height, width).

    Raises CannotRun as `anetdsl.cost` does.
    """
    return CostTable(cost(network, frames=frames, size=size, classes=classes))


def _row(node: NodeCost) -> tuple[str, ...]:
    return (
        node.name,
        " x ".join(map(str, node.shape)),
        f"{node.parameters:,}",
        short_count(node.multiply_adds),
        str(node.depth),
    )
