"""`anetc run`: run a network on a video and print the most probable classes."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
from click.core import ParameterSource

from anetc.cli.network_input import load_network
from anetc.cli.options import (
    Engine,
    classes_option,
    device_option,
    engine_option,
    precision_option,
    size_option,
    threads_option,
)
from anetc.cli.streams import show_warnings
from anetc.cli.tables import show_table
from anetc.devices import PrecisionChoice, resolve, set_up
from anetc.evaluation.as_trained import (
    check_network_fits,
    clip_warning,
    nothing_known,
    recipe_as_trained,
)
from anetc.export.about import About
from anetc.export.kinds import read_about
from anetc.video.clips import Recipe
from anetc.weights.metadata import read_info
from anetc.weights.network_structure import structure_warning
from anetc.weights.trained_on import listed_classes, match_classes
from anetdsl.api import parse
from anetdsl.errors import AnetError, CannotRun, cannot_read
from anetdsl.source import LINE_END, decode_text
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from anetc.weights.trained_on import TrainedOn
    from anetdsl.ir import Network


@click.command("run")
@click.argument("file")
@click.option("--video", required=True, metavar="CLIP", help="The video file.")
@click.option("--weights", metavar="FILE", help="Trained weights (.safetensors).")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of classes to print.",
)
@click.option(
    "--labels", metavar="FILE", help="Names of the classes, one per line, in their order."
)
@click.option(
    "--frames",
    type=click.IntRange(1, 100_000),
    default=36,
    show_default=True,
    help="Frames of a clip.",
)
@size_option
@click.option(
    "--fps",
    type=click.FloatRange(0.1, 1000),
    default=12.5,
    show_default=True,
    help="Frames per second.",
)
@click.option(
    "--clips",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Number of clips to average, evenly spaced.",
)
@click.option(
    "--objects",
    metavar="PATH",
    help="Object maps of the video, for a network with an object input; else those beside it.",
)
@click.option(
    "--objects-fps",
    type=click.FloatRange(0.01, 1000),
    metavar="F",
    help="Object maps per second, if their number does not show it.",
)
@click.option("--seed", type=int, default=0, help="Seed of the initial weights, without --weights.")
@engine_option
@device_option
@precision_option
@threads_option
@click.option("--trust", is_flag=True, help="Load an artifact that contains code.")
@classes_option
@click.pass_context
def command(
    context: click.Context,
    file: str,
    video: str,
    weights: str | None,
    top: int,
    labels: str | None,
    frames: int,
    size: tuple[int, int],
    fps: float,
    clips: int,
    objects: str | None,
    objects_fps: float | None,
    seed: int,
    engine: Engine,
    device: str,
    precision: PrecisionChoice,
    threads: int | None,
    trust: bool,
    classes: int | None,
) -> None:
    """Run the network in FILE on a video and print the most probable classes.

    FILE is a network text, or an artifact of `anetc compile`, which contains its weights and the
    size of its clips.

    Frames are resized, and --size is cropped from the centre. Optical flow (TV-L1) is computed if
    the network has a flow input. Object maps are read if it has an object input.
    """
    if math.isnan(fps):  # NaN is in every range
        raise click.BadParameter("'nan' is not a number.", param_hint="'--fps'")
    about = read_about(file) if Path(file).is_file() else None
    if about is None:
        network = load_network(file)
    else:
        _refuse_for_artifacts(context)
        network = _network_of(file, about)
        # By default the clip that the artifact was made for.
        if not _is_given(context, "frames"):
            frames = about.frames
        if not _is_given(context, "size"):
            size = (about.height, about.width)
    if classes is not None:
        network = attrs.evolve(network, sink=attrs.evolve(network.sink, classes=classes))
    # Check the files first: importing torch takes seconds.
    for path in (video, weights, objects):
        if path is not None and not Path(path).exists():
            raise cannot_read(path)
    trained_on = about.trained_on if about else None
    if weights is not None:
        trained_on = _training(weights, network)
    elif about is not None and about.trained and trained_on is None:
        show_warnings([nothing_known(file)])
    recipe = Recipe(
        frames=frames,
        size=size,
        short_side=max(size),
        fps=fps,
        when="even" if clips > 1 else "centre",
        clips=clips,
    )
    if trained_on is not None:
        free = about is None
        recipe = recipe_as_trained(
            recipe,
            trained_on.validation,
            frames=None if free and not _is_given(context, "frames") else frames,
            size=None if free and not _is_given(context, "size") else size,
            fps=fps if _is_given(context, "fps") else None,
        )
        if (warning := clip_warning(trained_on, recipe)) is not None:
            show_warnings([warning])
    names = _class_names(labels, trained_on, network.sink.classes)
    start = time.perf_counter()
    from anetc.engines.inference.inference_engine import compile_network
    from anetc.evaluation.one_video import predict_video
    from anetc.modules.network import InputError
    from anetc.video.source import VideoError

    # An artifact says what it computes on; see `_NOT_FOR_ARTIFACTS`.
    where = resolve(
        device if about is None else about.device,
        precision if about is None else about.dtype,
        engine=engine,
    )
    set_up(where, threads)
    click.echo(where.line(), err=True)
    model: nn.Module
    if about is not None:
        from anetc.export.load import load_described

        model = load_described(Path(file), about, trust=trust)
    else:
        compiled = compile_network(network, seed=seed, weights=weights)
        model = compiled if engine == "fast" else compiled.reference
    prepared = time.perf_counter() - start
    try:
        result = predict_video(
            network,
            model,
            video,
            recipe,
            top=top,
            seed=seed,
            device=where.name,
            precision=where.precision if about is None else "float32",
            multi_label=trained_on is not None and trained_on.multi_label,
            objects=None if objects is None else Path(objects),
            objects_fps=objects_fps,
        )
    except VideoError as error:
        raise CannotRun(str(error)) from None
    except InputError as error:
        raise CannotRun(f"{file}: {error}") from None
    if not (about.trained if about else weights):
        click.echo("The weights are untrained, so these classes are random.")
    rows = [
        (names[number] if names else f"class {number}", f"{100 * probability:.2f} %")
        for number, probability in zip(result.classes, result.probabilities)
    ]
    show_table(("class", "probability"), rows)
    stages = [("prepare", prepared), *result.seconds]
    clip = f"{recipe.frames} frames of {recipe.size[0]} x {recipe.size[1]}"
    many = f"{result.clips} clips of {clip}" if result.clips > 1 else clip
    click.echo(
        f"\n{visible(Path(video).name)}: {many}; "
        + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages)
    )


_NOT_FOR_ARTIFACTS = ("weights", "seed", "engine", "device", "precision", "classes")


def _is_given(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is not ParameterSource.DEFAULT


def _refuse_for_artifacts(context: click.Context) -> None:
    for option in _NOT_FOR_ARTIFACTS:
        if _is_given(context, option):
            raise CannotRun(
                f"--{option}: cannot be changed for an artifact; compile the network again"
            )


def _network_of(file: str, about: About) -> Network:
    try:
        return parse(about.network)
    except AnetError:
        raise CannotRun(f"{file}: the artifact is damaged: its network text has errors") from None


def _training(weights: str, network: Network) -> TrainedOn | None:
    """Return the training that a weights file holds; print a warning if it holds none."""
    info = read_info(weights)
    if (warning := structure_warning(network, info, weights)) is not None:
        show_warnings([warning])
    trained_on = info.trained_on
    if trained_on is None:
        show_warnings([nothing_known(weights)])
    else:
        check_network_fits(network, trained_on, weights)
    return trained_on


def _class_names(
    labels: str | None, trained_on: TrainedOn | None, classes: int
) -> Sequence[str] | None:
    """Return the names of the classes: those of the file `labels`, else those of the training."""
    names = _read_labels(labels, classes)
    known = trained_on.classes if trained_on is not None else None
    if names is None or known is None:
        return names or known
    match = match_classes(known, names)
    if not match.is_identical and not match.by_number:
        order = " in another order" if match.is_reordered else ""
        lists = f"{listed_classes(known)} in the training, {listed_classes(names)} in the file"
        show_warnings(
            [f"--labels {labels}: other names than those of the training{order}: {lists}"]
        )
    return names


def _read_labels(path: str | None, classes: int) -> list[str] | None:
    if path is None:
        return None
    try:
        text = decode_text(Path(path).read_bytes()).rstrip("\r\n")
        names = LINE_END.split(text) if text else []
    except UnicodeDecodeError:
        raise CannotRun(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise cannot_read(path, error) from None
    if len(names) != classes:
        raise CannotRun(f"{path}: holds {len(names)} names, but the network has {classes} classes")
    return names
