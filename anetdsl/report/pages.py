"""Write a report about a search, or about several searches: one self-contained HTML page.

The page loads nothing, runs only its own script and follows the light or dark scheme of the reader.
It shows the figures of the paper for the search: the ancestors of the best network (Figure 2), the
best networks with their weights (Figure 3) and the fitness over the candidates (Figure 4). Equal
runs give equal pages.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.files import is_device, write_atomically
from anetdsl.report.comparison_report import comparison_report
from anetdsl.report.pictures import find_renderer
from anetdsl.report.search_report import search_report
from anetdsl.report.sections.fitness import fitness_chart
from anetdsl.report.sections.method_curves import methods_chart

__all__ = ["curves", "report", "write_report"]

_ENDINGS = (".html", ".htm", ".svg")


def report(runs: Sequence[Run], *, dot: str | os.PathLike[str] | None = None) -> str:
    """Return the page about one run, or the comparison of several runs, as HTML.

    Args:
        runs: Runs, as `anetdsl.evolve.drive.run_reader.read_run` returns them.
        dot: Graphviz program that draws the best networks; by default the one that
            `anetdsl.drawing.engine` finds. If there is none, the page says so in place of the
            pictures.

    Raises:
        CannotRun: The program `dot` does not exist.
        ValueError: `runs` is empty.
    """
    match runs:
        case []:
            raise ValueError("a report needs at least one run")
        case [run]:
            return search_report(run, find_renderer(dot))
        case _:
            return comparison_report(runs, find_renderer(dot))


def curves(runs: Sequence[Run]) -> str:
    """Return the fitness over the candidates (Figure 4) of one run, or of several runs, as SVG.

    Raises ValueError if `runs` is empty.
    """
    match runs:
        case []:
            raise ValueError("a report needs at least one run")
        case [run]:
            return fitness_chart(run, standalone=True)
        case _:
            return methods_chart(runs, standalone=True)


def write_report(
    runs: Sequence[Run], out: str | Path, *, dot: str | os.PathLike[str] | None = None
) -> None:
    """Write `report(runs)` to a file, or `curves(runs)` to a file that ends in .svg.

    The file is replaced in one step.

    Raises:
        CannotRun: The ending of the file is unknown, the file cannot be written, a run is given
            twice, or the program `dot` does not exist.
        ValueError: `runs` is empty.
    """
    _check_different(runs)
    ending = Path(out).suffix.lower()
    if ending not in _ENDINGS and not is_device(out):
        raise CannotRun(f"{out}: a report must end in .html, or in .svg for the curves alone")
    write_atomically(out, curves(runs) if ending == ".svg" else report(runs, dot=dot))


def _check_different(runs: Sequence[Run]) -> None:
    """Raise CannotRun if a run is given twice, which would look like two runs without a spread."""
    seen: dict[Path, Path] = {}
    for run in runs:
        place = run.path.resolve()
        if place in seen:
            raise CannotRun(
                f"{run.path}: this is the same run as {seen[place]}; give each run once"
            )
        seen[place] = run.path
