"""Reports of searches: one self-contained HTML page about a run, or about several compared.

The page loads nothing, runs only its own script, follows the reader's light or dark scheme, and
holds the figures of the paper for this search: Figure 2 (the line of descent), Figure 3 (the best
networks with their weights), Figure 4 (fitness over rounds). The same runs give the same page.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.files import is_device, write_atomically
from anetdsl.report.comparing import comparison, methods_chart
from anetdsl.report.pictures import artist
from anetdsl.report.sections.curves import fitness_chart
from anetdsl.report.single import single_report

__all__ = ["curves", "report", "write_report"]


def report(runs: Sequence[Run], *, dot: str | os.PathLike[str] | None = None) -> str:
    """The page about one run, or the comparison of several, HTML.

    `dot` names the Graphviz program that draws the best networks (`anetdsl.drawing.engine`); where
    there is none, the page says so in place of these pictures. Raises CannotRun when the program
    named is missing, ValueError when there is no run.
    """
    match runs:
        case []:
            raise ValueError("a report is about one run or more")
        case [run]:
            return single_report(run, artist(dot))
        case _:
            return comparison(runs, artist(dot))


ENDINGS = (".html", ".htm", ".svg")


def curves(runs: Sequence[Run]) -> str:
    """Fitness over the rounds as a picture that stands alone (Figure 4), SVG.

    Raises ValueError when there is no run.
    """
    match runs:
        case []:
            raise ValueError("a report is about one run or more")
        case [run]:
            return fitness_chart(run, alone=True)
        case _:
            return methods_chart(runs, alone=True)


def write_report(
    runs: Sequence[Run], out: str | Path, *, dot: str | os.PathLike[str] | None = None
) -> None:
    """Write `report(runs)` to a file at once, or `curves(runs)` to one that ends in .svg.

    Raises CannotRun also when it cannot be written, and where a run is given twice.
    """
    _check_different(runs)
    ending = Path(out).suffix.lower()
    if ending not in ENDINGS and not is_device(out):
        raise CannotRun(f"{out}: a report ends in .html, or in .svg for the curves alone")
    write_atomically(out, curves(runs) if ending == ".svg" else report(runs, dot=dot))


def _check_different(runs: Sequence[Run]) -> None:
    """A run is no repetition of itself: it would seem a search without any spread."""
    seen: dict[Path, Path] = {}
    for run in runs:
        place = run.path.resolve()
        if place in seen:
            raise CannotRun(f"{run.path}: is the same run as {seen[place]}; give each run once")
        seen[place] = run.path
