"""Tables of a study as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anetdsl.confidence import MeanDifference, MeanInterval


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with a final line feed. Columns are not padded."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(
        "|" + "".join(f" {cell} |" if cell else " |" for cell in line) + "\n" for line in lines
    )


def interval_text(value: MeanInterval, digits: int = 1, *, signed: bool = False) -> str:
    """Return a mean and its 95 % interval, such as `54.3 (51.0 to 57.6)`; the mean of one value."""
    sign = "+" if signed else ""
    mean = f"{value.mean:{sign}.{digits}f}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} ({value.low:{sign}.{digits}f} to {value.high:{sign}.{digits}f})"


def p_text(value: MeanDifference) -> str:
    """Return the p-value of a difference with the necessary digits."""
    if value.p is None:
        return ""
    return "below 0.0001" if value.p < 1e-4 else f"{value.p:.2g}"
