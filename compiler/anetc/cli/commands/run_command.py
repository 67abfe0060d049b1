"""`anetc run`: a network on a video."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
from click.core import ParameterSource

from anetc.cli.network_input import load_network
from anetc.cli.options import classes_option, size_option
from anetc.cli.tables import show_table
from anetc.devices import check_device
from anetc.export.about import About
from anetc.export.kinds import read_about
from anetdsl.api import parse
from anetdsl.errors import AnetError, CannotRun, cannot_read
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from torch import nn

    from anetdsl.ir import Network


@click.command("run")
@click.argument("file")
@click.option("--video", required=True, metavar="CLIP", help="The video file.")
@click.option("--weights", metavar="FILE", help="Trained weights (.safetensors).")
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="Classes to show."
)
@click.option(
    "--labels", metavar="FILE", help="Class names, one a line, in the order of the classes."
)
@click.option("--frames", type=click.IntRange(1, 100_000), default=36, show_default=True)
@size_option
@click.option(
    "--fps",
    type=click.FloatRange(0.1, 1000),
    default=12.5,
    show_default=True,
    help="Frames a second.",
)
@click.option(
    "--clips", type=click.IntRange(1, 1000), default=1, help="Clips to average, spread evenly."
)
@click.option("--seed", type=int, default=0, help="Seed of the weights of an untrained network.")
@click.option("--device", default="cpu", show_default=True, help="Such as cpu or cuda.")
@click.option("--trust", is_flag=True, help="Load an artifact that holds code.")
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
    seed: int,
    device: str,
    trust: bool,
    classes: int | None,
) -> None:
    """Run the network in FILE on a video: decode, optical flow, forward, the best classes.

    FILE is a network's text or an artifact that `anetc compile` made, which brings its weights and
    the size of its clips.

    The picture's short side is resized so that the centre crop of --size fits. Optical flow is
    computed (TV-L1) where the network has a flow input.
    """
    if math.isnan(fps):  # which no range rules out
        raise click.BadParameter("'nan' is no number.", param_hint="'--fps'")
    about = read_about(file) if Path(file).is_file() else None
    if about is None:
        network = load_network(file)
    else:
        _refuse_for_artifacts(context)
        network = _network_of(file, about)
        # The clip that the artifact was made for, unless another is asked for.
        if not _is_given(context, "frames"):
            frames = about.frames
        if not _is_given(context, "size"):
            size = (about.height, about.width)
    if classes is not None:
        network = attrs.evolve(network, sink=attrs.evolve(network.sink, classes=classes))
    names = _read_labels(labels, network.sink.classes)
    # torch takes seconds to import: first whatever can be wrong without it.
    for path in (video, weights):
        if path is not None and not Path(path).exists():
            raise cannot_read(path)
    start = time.perf_counter()
    from anetc.evaluation.one_video import predict_video
    from anetc.modules.network import InputError, build_network
    from anetc.video.clips import Recipe
    from anetc.video.source import VideoError
    from anetc.weights.files import load_weights

    check_device(device)
    model: nn.Module
    if about is not None:
        from anetc.export.load import load_known

        model = load_known(Path(file), about, trust=trust)
    else:
        model = build_network(network, seed=seed)
        if weights is not None:
            load_weights(model, weights)
    prepared = time.perf_counter() - start
    recipe = Recipe(
        frames=frames,
        size=size,
        short_side=max(size),
        fps=fps,
        when="even" if clips > 1 else "centre",
        clips=clips,
    )
    try:
        result = predict_video(network, model, video, recipe, top=top, seed=seed, device=device)
    except VideoError as error:
        raise CannotRun(str(error)) from None
    except InputError as error:
        raise CannotRun(f"{file}: {error}") from None
    if not (about.trained if about else weights):
        click.echo("The weights are untrained: these classes mean nothing.")
    rows = [
        (names[number] if names else f"class {number}", f"{100 * probability:.2f} %")
        for number, probability in zip(result.classes, result.probabilities)
    ]
    show_table(("class", "probability"), rows)
    stages = [("prepare", prepared), *result.seconds]
    clip = f"{frames} frames of {size[0]} x {size[1]}"
    many = f"{result.clips} clips of {clip}" if result.clips > 1 else clip
    click.echo(
        f"\n{visible(Path(video).name)}: {many}; "
        + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages)
    )


_NOT_FOR_ARTIFACTS = ("weights", "seed", "device", "classes")


def _is_given(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is not ParameterSource.DEFAULT


def _refuse_for_artifacts(context: click.Context) -> None:
    for option in _NOT_FOR_ARTIFACTS:
        if _is_given(context, option):
            raise CannotRun(f"--{option}: an artifact was compiled; this cannot be changed now")


def _network_of(file: str, about: About) -> Network:
    try:
        return parse(about.network)
    except AnetError:
        raise CannotRun(f"{file}: the text of its network is damaged") from None


def _read_labels(path: str | None, classes: int) -> list[str] | None:
    if path is None:
        return None
    try:
        names = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise CannotRun(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise cannot_read(path, error) from None
    if len(names) != classes:
        raise CannotRun(f"{path}: {len(names)} names for {classes} classes")
    return names
