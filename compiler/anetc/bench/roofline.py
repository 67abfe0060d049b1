"""The roofline as a picture: what each node reaches, under what the machine allows.

To the right is more arithmetic for each byte that operations move, upwards is faster. The slanted
roof is what copying allows, the flat ones are large convolutions in each type, as measured in the
same rounds. A star is the whole network. The sink is left out: it has next to no arithmetic.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

from anetc.bench.values import BackendResult, Bench, NodeTime
from anetdsl.diagnostics import CannotRun
from anetdsl.files import write_atomically

SUFFIXES = (".svg", ".png", ".pdf")
_COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3")
_MARKERS = "osD^v"


def check_roofline(path: str) -> None:
    """Raise CannotRun unless such a picture can be drawn here."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise CannotRun(f"--roofline {path}: the name must end in {', '.join(SUFFIXES)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise CannotRun(
            "--roofline needs matplotlib, which is not installed: pip install 'anetdsl[bench]'"
        )


def write_roofline(bench: Bench, path: str) -> None:
    """Draw the picture into a file, in the format of its name. Raises CannotRun."""
    check_roofline(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot()
    shown = {result.backend: _shown(result) for result in bench.results}
    intensities = [result.intensity for result in bench.results]
    intensities += [node.intensity for nodes in shown.values() for node in nodes]
    left, right = min(intensities) / 2, max(intensities) * 2
    copying = bench.copy_bytes_per_second / 1e9
    roofs = {result.dtype: result.ceiling_gflops for result in bench.results}
    for dtype, roof in roofs.items():
        ridge = roof / copying
        axes.plot(
            [min(left, ridge), ridge, max(right, ridge)],
            [min(left, ridge) * copying, roof, roof],
            color="0.4",
            linewidth=1,
        )
        axes.annotate(
            f"convolution, {dtype}: {roof:.0f} GFLOP/s",
            (max(right, ridge), roof),
            textcoords="offset points",
            xytext=(0, 3),
            ha="right",
            fontsize=7,
            color="0.3",
        )
    for result, colour, marker in zip(bench.results, _COLOURS, _MARKERS):
        label = f"{result.backend}: {1000 * result.median:.4g} ms, {result.gflops:.0f} GFLOP/s"
        axes.scatter([result.intensity], [result.gflops], s=160, c=colour, marker="*", label=label)
        for node in shown[result.backend]:
            axes.scatter([node.intensity], [node.gflops], s=18, c=colour, marker=marker)
            axes.annotate(
                node.name,
                (node.intensity, node.gflops),
                textcoords="offset points",
                xytext=(4, 2),
                fontsize=6,
                color=colour,
            )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="floating-point operations for a byte moved by operations",
        ylabel="GFLOP/s",
        title=f"{bench.network}, {bench.batch} x {bench.frames} x {bench.height} x {bench.width}, "
        f"threads: {bench.threads}; copying moves {copying:.1f} GB/s",
    )
    axes.title.set_fontsize(9)
    axes.grid(visible=True, which="major", color="0.9")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=8)
    content = io.BytesIO()
    kind = Path(path).suffix.lower()[1:]
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "anetdsl"}):
        figure.savefig(content, format=kind, dpi=150)
    write_atomically(path, content.getvalue())


def _shown(result: BackendResult) -> list[NodeTime]:
    """The nodes that have a place on logarithmic axes."""
    return [node for node in result.nodes if node.name != "sink" and node.intensity and node.gflops]
