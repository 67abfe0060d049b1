"""Write means with their intervals, p-values, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anetdsl.confidence import MeanInterval


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns and a final line feed."""
    lines = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(map(str.ljust, line, widths))} |\n" for line in lines)


def interval_text(interval: MeanInterval, *, signed: bool = False) -> str:
    """Return a mean and its interval, such as `54.3 (51.0 to 57.6)`; the mean of one value."""
    sign = "+" if signed else ""
    mean = f"{interval.mean:{sign}.1f}"
    if interval.low is None or interval.high is None:
        return mean
    return f"{mean} ({interval.low:{sign}.1f} to {interval.high:{sign}.1f})"


def p_text(p: float | None) -> str:
    """Return a p-value with three decimals, `< 0.001` for smaller ones; "" if it is unknown."""
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
