"""`anetc compile`: compile a network to a file that runs without this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import attrs
import click

from anetc.cli.network_input import load_network
from anetc.cli.options import classes_option, frames_option, given_options, size_option
from anetc.cli.progress import stage_progress
from anetc.cli.streams import show_warnings
from anetc.export.about import (
    ANY_LENGTH,
    KINDS,
    ON_GPUS,
    About,
    Axis,
    Target,
    parse_dynamic,
)
from anetc.export.compile import CompiledArtifact, compile_artifact
from anetdsl.files import write_atomically
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.weights.trained_on import TrainedOn
    from anetdsl.ir import Network


@click.command("compile")
@click.argument("file")
@click.option("-o", "--output", metavar="OUT", help="File to write; a plan is printed by default.")
@click.option(
    "--emit",
    type=click.Choice([*KINDS, "plan"]),
    default="module",
    show_default=True,
    help="Kind of artifact.",
)
@click.option("--weights", metavar="FILE", help="Trained weights (.safetensors).")
@frames_option
@size_option
@click.option(
    "--batch", type=click.IntRange(1, 4096), default=1, show_default=True, help="Clips per batch."
)
@click.option(
    "--dynamic", metavar="AXES", help="Axes of free size: batch, frames, or batch,frames."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Data type of the weights and of most operations.",
)
@click.option(
    "--device",
    type=click.Choice(get_args(Target)),
    default="cpu",
    show_default=True,
    help="Device that the artifact runs on; cuda for pt2 and aoti, where this machine has a GPU.",
)
@click.option("--seed", type=int, default=0, help="Seed of the initial weights, without --weights.")
@click.option("--no-cache", is_flag=True, help="Neither use nor fill the cache.")
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
    device: Target,
    seed: int,
    no_cache: bool,
    classes: int | None,
) -> None:
    """Compile the network in FILE to an artifact, a file that runs without this package.

    Before the artifact is written, a process without this package runs it, and the result is
    compared with the reference module.
    """
    if emit == "plan":
        _refuse_options_of_artifacts()
    axes = _axes(emit, dynamic)
    network = load_network(file)
    if classes is not None:
        network = attrs.evolve(network, sink=attrs.evolve(network.sink, classes=classes))
    if emit == "plan":
        _write_plan(network, frames, size, output)
        return
    if output in (None, "-"):
        raise click.UsageError(f"--emit {emit} needs -o OUT")
    gpu = _check_gpu(emit) if device == "cuda" else ""
    trained_on, frames, size = _training(weights, network, frames, size)
    about = About(
        emit,  # type: ignore[arg-type]
        str(network),
        batch,
        frames,
        *size,
        dynamic=axes,
        dtype=dtype,  # type: ignore[arg-type]
        trained=weights is not None,
        trained_on=trained_on,
        device=device,
        gpu=gpu,
    )
    if weights is None:
        click.echo("No --weights: the artifact gets untrained weights.", err=True)
    with stage_progress() as report:
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
    _print_result(made)


def _check_gpu(emit: str) -> str:
    """Return the capability of the GPU that `aoti` compiles for. Raise an error without a GPU."""
    if emit not in ON_GPUS:
        kinds = " and ".join(ON_GPUS)
        raise click.UsageError(f"--device cuda is for --emit {kinds}, not for {emit}")
    from anetc.devices import resolve, set_up

    device = resolve("cuda", "ieee")
    set_up(device)
    click.echo(device.line(), err=True)
    if emit != "aoti":
        return ""
    import torch

    return "{}.{}".format(*torch.cuda.get_device_capability(device.name))


def _training(
    weights: str | None, network: Network, frames: int, size: tuple[int, int]
) -> tuple[TrainedOn | None, int, tuple[int, int]]:
    """Return the training of the weights, and the clip: that of the training by default."""
    if weights is None:
        return None, frames, size
    from anetc.evaluation.as_trained import check_network_fits, clip_warning, nothing_known
    from anetc.video.clips import Recipe
    from anetc.weights.metadata import read_info
    from anetc.weights.network_structure import structure_warning

    info = read_info(weights)
    if (warning := structure_warning(network, info, weights)) is not None:
        show_warnings([warning])
    trained_on = info.trained_on
    if trained_on is None:
        show_warnings([nothing_known(weights)])
        return None, frames, size
    check_network_fits(network, trained_on, weights)
    given = given_options("frames", "size")
    if "--frames" not in given:
        frames = trained_on.validation.frames
    if "--size" not in given:
        size = trained_on.validation.size
    recipe = Recipe(frames=frames, size=size, short_side=None)
    if (warning := clip_warning(trained_on, recipe, stored=True)) is not None:
        show_warnings([warning])
    elif not given:
        click.echo(f"Clips as in the training: {trained_on.validation}.", err=True)
    return trained_on, frames, size


def _write_plan(network: Network, frames: int, size: tuple[int, int], output: str | None) -> None:
    from anetc.plan.lower import lower
    from anetc.plan.passes import optimise
    from anetc.plan.plan_text import print_plan

    text = print_plan(optimise(lower(network, frames=frames, size=size)))
    if output is None or output == "-":
        click.echo(text, nl=False)
        return
    write_atomically(output, text)
    click.echo(f"wrote {visible(output)}", err=True)


def _refuse_options_of_artifacts() -> None:
    """Raise UsageError for options that do not change a plan, which holds no weights."""
    options = ("weights", "batch", "dynamic", "dtype", "device", "seed", "no_cache")
    for option in given_options(*options):
        raise click.UsageError(f"{option} has no effect on --emit plan; leave it out")


def _axes(emit: str, dynamic: str | None) -> tuple[Axis, ...]:
    if dynamic is None:
        return ()
    try:
        axes = parse_dynamic(dynamic)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--dynamic") from None
    return axes if emit not in ANY_LENGTH else ()


def _print_result(made: CompiledArtifact) -> None:
    names = " and ".join(visible(str(path)) for path in made.files)
    cached = "from the cache; " if made.cached else ""
    click.echo(
        f"wrote {names} ({cached}relative error {made.error:.1e}, "
        f"first result after {made.first:.2f} s)",
        err=True,
    )
