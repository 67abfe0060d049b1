"""The roofline as a picture: what each node reaches, under what the machine allows.

To the right is more arithmetic for each byte that operations move, upwards is faster. The slanted
roof is what copying allows, the flat ones are large convolutions in each type, as measured in the
same rounds. Beside every node, the whole network is a dot of its own. The fastest back end's nodes
bear their names, the others' when pointed at. The sink is left out: it has next to no arithmetic.
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
    """Raise CannotRun unless such a picture can be drawn."""
    if Path(path).suffix.lower() != SUFFIX:
        raise CannotRun(f"--roofline {path}: the name must end in {SUFFIX}")
    if not Path(path).parent.is_dir():
        raise CannotRun(f"--roofline {path}: there is no folder {Path(path).parent}")


def write_roofline(bench: Bench, path: str) -> None:
    """Draw the picture into a file. Raises CannotRun."""
    check_roofline(path)
    write_atomically(path, draw_roofline(bench))


def draw_roofline(bench: Bench) -> str:
    """The picture as SVG text."""
    shown = {result.backend: _shown(result) for result in bench.results}
    intensities = [result.intensity for result in bench.results]
    intensities += [node.intensity for nodes in shown.values() for node in nodes]
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
            for node in shown[result.backend]
        ]
        dots.append(Dots(f"{result.backend}, nodes", nodes, color=color, faint=True))
    return plot(
        [*lines, *dots],
        title=f"{bench.network}, {bench.batch} x {bench.frames} x {bench.height} x {bench.width}, "
        f"threads: {bench.threads}",
        description=f"GFLOP/s of each node and of the whole network over the floating-point "
        f"operations for a byte moved; copying moves {copying:.1f} GB/s.",
        x=Axis("floating-point operations for a byte moved by operations", log=True),
        y=Axis("GFLOP/s", log=True),
        width=800,
        height=520,
    )


def _shown(result: BackendResult) -> list[NodeTime]:
    """The nodes that have a place on logarithmic axes."""
    return [node for node in result.nodes if node.name != "sink" and node.intensity and node.gflops]
