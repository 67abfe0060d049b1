"""Draw the roofline of a benchmark: the speed of each node below the limits of the machine.

The x axis is arithmetic per moved byte, the y axis is speed. The slanted roof is the speed of a
copy, the flat roofs are large convolutions of each data type, measured in the same rounds. Every
node is a dot, and so is the whole network. Nodes of the fastest backend are labelled; labels of the
others appear under the pointer. The sink is left out because it has almost no arithmetic.
"""

from __future__ import annotations

from pathlib import Path

from anetc.bench.results import BackendResult, Bench, NodeTime
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.report.charts import Axis, Dot, Dots, Line, plot

SUFFIX = ".svg"
_LEGEND = "{}: {:.4g} ms, {:.0f} GFLOP/s"


def check_roofline(path: str) -> None:
    """Raise CannotRun if no picture can be written to `path`."""
    if Path(path).suffix.lower() != SUFFIX:
        raise CannotRun(f"--roofline {path}: the name must end in {SUFFIX}")
    if not Path(path).parent.is_dir():
        raise CannotRun(f"--roofline {path}: there is no folder {Path(path).parent}")


def write_roofline(bench: Bench, path: str) -> None:
    """Draw the picture into a file. Raise CannotRun if it cannot be written."""
    check_roofline(path)
    write_atomically(path, draw_roofline(bench))


def draw_roofline(bench: Bench) -> str:
    """Return the picture as SVG text."""
    drawn = {result.backend: _drawable_nodes(result) for result in bench.results}
    intensities = [result.intensity for result in bench.results]
    intensities += [node.intensity for nodes in drawn.values() for node in nodes]
    copying = bench.copy_bytes_per_second / 1e9
    roofs = {result.dtype: result.ceiling_gflops for result in bench.results}
    left = min(intensities) / 2
    right = max([2 * max(intensities), *(2 * roof / copying for roof in roofs.values())])
    lines = [
        Line(
            f"roof in {dtype}",
            [(left, left * copying), (roof / copying, roof), (right, roof)],
            note=f"convolution, {dtype}: {roof:.0f} GFLOP/s",
            color=5,
            faint=True,
        )
        for dtype, roof in roofs.items()
    ]
    fastest = min(bench.results, key=lambda result: result.median)
    dots = []
    for color, result in enumerate(bench.results):
        name = _LEGEND.format(result.backend, 1000 * result.median, result.gflops)
        whole = Dot(result.intensity, result.gflops, "whole", labelled=True)
        dots.append(Dots(name, [whole], color=color))
        nodes = [
            Dot(node.intensity, node.gflops, node.name, labelled=result is fastest)
            for node in drawn[result.backend]
        ]
        dots.append(Dots(f"{result.backend}, nodes", nodes, color=color, faint=True))
    return plot(
        [*lines, *dots],
        title=f"{bench.network}, {bench.batch} x {bench.frames} x {bench.height} x {bench.width}, "
        f"threads: {bench.threads}",
        description=f"GFLOP/s of each node and of the whole network over the floating-point "
        f"operations per moved byte; a copy moves {copying:.1f} GB/s.",
        x=Axis("floating-point operations per moved byte", log=True),
        y=Axis("GFLOP/s", log=True),
        width=800,
        height=520,
    )


def _drawable_nodes(result: BackendResult) -> list[NodeTime]:
    """Return the nodes that can be drawn on logarithmic axes."""
    return [node for node in result.nodes if node.name != "sink" and node.intensity and node.gflops]
