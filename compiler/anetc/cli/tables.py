"""Print tables: drawn by rich on a terminal, as plain aligned columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from anetc.cli.streams import is_terminal
from anetdsl.terminal import columns as screen_columns
from anetdsl.terminal import visible


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None
) -> None:
    """Print a table: the first column left-aligned, the others right; `total` is the last row."""
    if is_terminal(sys.stdout):
        _show_rich(header, rows, total)
        return
    lines = [list(header), *map(list, rows), *([list(total)] if total else [])]
    widths = [max(screen_columns(line[i]) for line in lines) for i in range(len(header))]
    for number, line in enumerate(lines):
        if total and number == len(lines) - 1:
            click.echo("  ".join("-" * width for width in widths))
        cells = [
            _pad(cell, width, left=i == 0) for i, (cell, width) in enumerate(zip(line, widths))
        ]
        click.echo("  ".join(cells).rstrip())
        if number == 0:
            click.echo("  ".join("-" * width for width in widths))


def _pad(cell: str, width: int, *, left: bool) -> str:
    space = " " * (width - screen_columns(cell))
    return visible(cell) + space if left else space + visible(cell)


def _show_rich(
    header: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_footer=total is not None)
    for i, name in enumerate(header):
        footer = Text(visible(total[i])) if total else ""
        table.add_column(name, justify="left" if i == 0 else "right", footer=footer)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console().print(table)
