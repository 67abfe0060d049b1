"""`anetc compile`: a network as a file that runs without this package."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import click

from anetc.cli.network_input import load_network
from anetc.cli.options import classes_option, frames_option, given_options, size_option
from anetc.export.about import ANY_LENGTH, KINDS, About, Axis, parse_dynamic
from anetc.export.compile import CompiledArtifact, Report, compile_artifact
from anetdsl.files import write_atomically
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetdsl.ir import Network


@click.command("compile")
@click.argument("file")
@click.option("-o", "--output", metavar="OUT", help="Where to; a plan is printed by default.")
@click.option(
    "--emit",
    type=click.Choice([*KINDS, "plan"]),
    default="module",
    show_default=True,
    help="What to make.",
)
@click.option("--weights", metavar="FILE", help="Trained weights (.safetensors).")
@frames_option
@size_option
@click.option("--batch", type=click.IntRange(1, 4096), default=1, show_default=True, help="Clips.")
@click.option("--dynamic", metavar="AXES", help="What may vary: batch, frames, or batch,frames.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32")
@click.option("--seed", type=int, default=0, help="Seed of the weights of an untrained network.")
@click.option("--no-cache", is_flag=True, help="Make it anew, and do not keep it.")
@classes_option
def command(
    file: str,
    output: str | None,
    emit: str,
    weights: str | None,
    frames: int,
    size: tuple[int, int],
    batch: int,
    dynamic: str | None,
    dtype: str,
    seed: int,
    no_cache: bool,
    classes: int | None,
) -> None:
    """Compile the network in FILE.

    Every artifact is run in a process of its own that lacks this package, and compared with the
    plain module, before it is written.
    """
    if emit == "plan":
        _refuse_for_plans()
    axes = _axes(emit, dynamic)
    network = load_network(file)
    if classes is not None:
        network = attrs.evolve(network, sink=attrs.evolve(network.sink, classes=classes))
    if emit == "plan":
        _plan(network, frames, size, output)
        return
    if output in (None, "-"):
        raise click.UsageError(f"--emit {emit} needs -o OUT")
    about = About(
        emit,  # type: ignore[arg-type]
        str(network),
        batch,
        frames,
        *size,
        dynamic=axes,
        dtype=dtype,  # type: ignore[arg-type]
        trained=weights is not None,
    )
    if weights is None:
        click.echo("No --weights: the artifact will hold untrained ones.", err=True)
    with _reporting() as report, _stoppable():
        made = compile_artifact(
            network,
            about,
            output,
            weights=weights,
            seed=seed,
            source=file if file != "-" else None,
            use_cache=not no_cache,
            report=report,
        )
    _tell(made)


def _plan(network: Network, frames: int, size: tuple[int, int], output: str | None) -> None:
    from anetc.plan.lower import lower
    from anetc.plan.passes import optimise
    from anetc.plan.plan_text import print_plan

    text = print_plan(optimise(lower(network, frames=frames, size=size)))
    if output is None or output == "-":
        click.echo(text, nl=False)
        return
    write_atomically(output, text)
    click.echo(f"wrote {visible(output)}", err=True)


def _refuse_for_plans() -> None:
    """A plan holds no numbers but shapes: what does not concern those is a mistake."""
    for option in given_options("weights", "batch", "dynamic", "dtype", "seed", "no_cache"):
        raise click.UsageError(f"{option} does not concern --emit plan")


def _axes(emit: str, dynamic: str | None) -> tuple[Axis, ...]:
    if dynamic is None:
        return ()
    try:
        axes = parse_dynamic(dynamic)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--dynamic") from None
    return axes if emit not in ANY_LENGTH else ()


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does, so that nothing half made is left in the temporary folder."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _reporting() -> Iterator[Report]:
    """Stages and their seconds, a line each; on a terminal the current one moves."""
    if not sys.stderr.isatty():
        yield lambda stage, seconds: _line(stage, seconds)
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:

        def report(stage: str, seconds: float | None) -> None:
            if seconds is None:
                status.update(stage)
            else:
                status.console.print(f"{stage:<24} {seconds:7.2f} s", highlight=False)

        yield report


def _line(stage: str, seconds: float | None) -> None:
    if seconds is not None:
        click.echo(f"{stage:<24} {seconds:7.2f} s", err=True)


def _tell(made: CompiledArtifact) -> None:
    names = " and ".join(visible(str(path)) for path in made.files)
    how = "made before; " if made.cached else ""
    click.echo(
        f"wrote {names} ({how}relative error {made.error:.1e}, "
        f"first result after {made.first:.2f} s)",
        err=True,
    )
