"""`anetc bench`: measure how fast a network runs on this machine, with each backend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from anetc.cli.network_input import load_network
from anetc.cli.options import SizeType, device_option, threads_option
from anetc.cli.progress import print_line
from anetc.cli.tables import show_table
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.bench.results import BackendResult, Bench

_SUMMARY = (
    "backend",
    "latency",
    "of first",
    "clips/s",
    "GFLOP/s",
    "of ceiling",
    "peak memory",
    "weights",
    "error",
    "prepared in",
)


@click.command("bench")
@click.argument("file")
@click.option(
    "--backends",
    default="plain,plan",
    show_default=True,
    metavar="NAMES",
    help="Some of plain, plan, plan-bf16, compile, frozen. The last two take a minute to prepare.",
)
@click.option(
    "--frames",
    type=click.IntRange(1, 100_000),
    default=16,
    show_default=True,
    help="Frames of a clip.",
)
@click.option(
    "--size",
    type=SizeType(),
    default="112",
    show_default=True,
    metavar="S|HxW",
    help="Height and width in pixels.",
)
@click.option(
    "--batch", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Clips per pass."
)
@threads_option
@click.option(
    "--repeats",
    type=click.IntRange(1, 10_000),
    default=5,
    show_default=True,
    help="Number of rounds.",
)
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--roofline", metavar="OUT", help="Draw the roofline into a file (.svg).")
def command(
    file: str,
    backends: str,
    frames: int,
    size: tuple[int, int],
    batch: int,
    threads: int | None,
    repeats: int,
    device: str,
    as_json: bool,
    roofline: str | None,
) -> None:
    """Measure how fast the network in FILE runs: latency, throughput, arithmetic and memory.

    Weights and clips are random. In each round every backend runs once, and so do a large
    convolution and a copy, which are the ceiling. Times are medians of wall times.
    """
    network = load_network(file)
    names = tuple(dict.fromkeys(name.strip() for name in backends.split(",") if name.strip()))
    if roofline is not None:
        from anetc.bench.roofline import check_roofline

        check_roofline(roofline)
    # torch takes seconds to import.
    from anetc.bench.backends import BACKENDS
    from anetc.bench.measure import bench
    from anetc.devices import resolve, set_up

    unknown = [name for name in names if name not in BACKENDS]
    if unknown or not names:
        wrong = f"no backend {', '.join(unknown)}" if unknown else "no backend is named"
        raise CannotRun(f"--backends: {wrong}; choose from {', '.join(BACKENDS)}")
    where = resolve(device, "float32")
    set_up(where, threads)
    print_line(where.line())
    found = bench(
        network,
        frames=frames,
        size=size,
        batch=batch,
        backends=names,
        repeats=repeats,
        device=where,
        report=print_line,  # no live view: drawing it would take time from what is measured
    )
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        _print_results(found)
    if roofline is not None:  # last, so that an error here does not lose the results
        from anetc.bench.roofline import write_roofline

        write_roofline(found, roofline)
        click.echo(f"wrote {visible(roofline)}", err=True)


def _print_results(bench: Bench) -> None:
    threads = "1 thread" if bench.threads == 1 else f"{bench.threads} threads"
    click.echo(
        f"{visible(bench.network)}: batch {bench.batch}, {bench.frames} frames, "
        f"{bench.height} x {bench.width} pixels; {threads}, {bench.repeats} rounds\n"
        f"{visible(bench.processor)}, torch {bench.torch}\n"
    )
    _print_nodes([result for result in bench.results if result.nodes])
    show_table(_SUMMARY, [_summary(result, bench.results[0]) for result in bench.results])
    ceilings = {result.dtype: result.ceiling_gflops for result in bench.results}
    listed = ", ".join(f"{gflops:.1f} GFLOP/s in {dtype}" for dtype, gflops in ceilings.items())
    click.echo(
        f"\nCeiling: a large convolution {listed}; "
        f"a copy {bench.copy_bytes_per_second / 1e9:.1f} GB/s."
    )


def _print_nodes(results: list[BackendResult]) -> None:
    """Print the times of nodes, for the backends that have them."""
    if not results:
        return
    header = ["node", "GFLOP"]
    total = ["total", f"{2e-9 * results[0].multiply_adds:.3f}"]
    for result in results:
        header += [f"{result.backend} ms", "GFLOP/s"]
        total += [_milliseconds(result.median), f"{result.gflops:.1f}"]
    rows = []
    for same in zip(*(result.nodes for result in results)):
        row = [same[0].name, f"{2e-9 * same[0].multiply_adds:.3f}"]
        for node in same:
            row += [_milliseconds(node.seconds), f"{node.gflops:.1f}"]
        rows.append(row)
    show_table(header, rows, total)
    click.echo()


def _summary(result: BackendResult, first: BackendResult) -> tuple[str, ...]:
    held = result.weight_bytes
    return (
        result.backend,
        f"{_milliseconds(result.median)} ms",
        f"{result.median / first.median:.3f}",
        f"{result.clips_per_second:.2f}",
        f"{result.gflops:.1f}",
        f"{100 * result.gflops / result.ceiling_gflops:.0f} %",
        _mebibytes(result.peak_bytes),
        "" if held is None else _mebibytes(held),
        "" if result.error is None else f"{result.error:.1e}",
        f"{result.prepare_seconds:.1f} s",
    )


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.2f}"


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
