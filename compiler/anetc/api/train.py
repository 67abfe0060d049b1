"""`anetc.train`: train a network on a data set in the folder of a run."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anetc.arguments import check_arguments, check_type
from anetc.data.recipes import ClipSettings, clip_arguments, recipes_of
from anetc.data.spec import parse_spec
from anetc.training.settings import Parent, TrainSettings
from anetdsl.checking import check_file, check_source, network_of
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.ir import Network
from anetdsl.settings_reader import at_least, option_values, read_value
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, set_attribute

if TYPE_CHECKING:
    from anetc.training.run.run import TrainResult
    from anetc.training.run.stop_request import StopRequest
    from anetc.training.run.watcher import Watcher

AnyPath = str | os.PathLike[str]


def train(
    network: AnyPath | SourceFile | Network,
    data: AnyPath,
    out: AnyPath,
    *,
    format: str | None = None,
    classes: int | None = None,
    resume: bool = False,
    init_from: AnyPath | None = None,
    init_text: AnyPath | None = None,
    new_head: bool = False,
    accept_changed_videos: bool = False,
    make_flow: bool = False,
    log: Collection[str] = (),
    watch: Watcher | None = None,
    stop: StopRequest | None = None,
    **settings: Any,
) -> TrainResult:
    """Train a network on a data set, as `anetc train` does, and return the result.

    The folder `out` gets checkpoints while the run goes on, and at the end the network's text with
    the learned edge weights and the weights (docs/training.md lists the files). A run that was
    interrupted continues with `resume`.

    Args:
        network: Path of a text, a text, or a network.
        data: Name of the data set, as for `--data`: a path, or `FORMAT:PATH?option=value`.
        out: Folder of the run. It must not hold a run unless `resume` is set.
        format: Format of `data`, if its path does not show it.
        classes: Number of classes, in place of the network's own.
        resume: Continue the run in `out`. Without `iterations` it has as many steps as before; with
            more, the learning rates of the other steps are those of a run with the new number.
        init_from: Weights file of a parent network to start from.
        init_text: Text of the parent; by default the text beside its weights.
        new_head: The parent may have other classes. Classes with a name of the parent's start from
            its rows of the classifier, the others from initial values.
        accept_changed_videos: With `resume`: go on although videos were added or removed.
        make_flow: Compute the optical flow of the training and validation videos that is not in the
            cache before the first step, as `anetc data flow` does.
        log: Services that get the metrics: `tensorboard` (files in `out`), `mlflow`, `wandb`.
        watch: Receiver of reports; by default nothing is reported.
        stop: Request to stop after a step, such as one that a signal handler makes.
        **settings: Fields of `anetc.training.settings.TrainSettings` (iterations, batch, seed, ...)
            and of `anetc.data.recipes.ClipSettings` (frames, size, flip, crop_area, ...). None is
            the default.

    Raises:
        AnetError: The text has errors.
        CannotRun: A setting is wrong, or the run cannot start or continue. The last checkpoint
            stays. Its subclass `TrainingFailure` has the kind of the failure.
        KeyboardInterrupt: `stop` requested it; a checkpoint was saved.
    """
    check_type("train", "network", network, str, os.PathLike, SourceFile, Network)
    check_type("train", "out", out, str, os.PathLike)
    numbers = {"classes": classes, "format": format}
    check_arguments(
        "train", numbers, {"classes": (int | None, at_least(1)), "format": (str | None, None)}
    )
    train_settings, clips = read_settings(out, settings, resume=resume)
    spec = parse_spec(data, format)
    recipes = recipes_of(spec, clips)
    parent = _parent(init_from, init_text, new_head=new_head)
    # torch takes seconds to import.
    from anetc.training.run.run import train as train_in_folder

    source = source_of(network)
    return train_in_folder(
        source if classes is None else with_classes(source, classes),
        train_settings,
        spec,
        recipes,
        Path(out),
        resume=resume,
        init_from=parent,
        log=log,
        accept_changed_videos=accept_changed_videos,
        make_flow=make_flow,
        watch=watch,
        stop=stop,
    )


def read_settings(
    out: AnyPath, settings: dict[str, Any], *, resume: bool
) -> tuple[TrainSettings, ClipSettings]:
    """Return the settings of a run by name, and those of its clips. Raises CannotRun."""
    given = option_values(clip_arguments(settings))
    names = {cls: list(attrs.fields_dict(cls)) for cls in (TrainSettings, ClipSettings)}
    given.check_names([name for fields in names.values() for name in fields])
    if resume:
        from anetc.training.run.extension import settings_of_run
        from anetc.training.run.run_folder import RUN

        # A run goes on with its number of steps and its precision, also on another device.
        of_run = settings_of_run(Path(out) / RUN)
        kept: dict[str, Any] = {
            name: of_run[name] for name in ("iterations", "precision") if name in of_run
        }
        if given.values.get("precision") == "auto":
            given = given.without("precision")
        given = option_values({**kept, **given.values})
    training, clips = (
        given.without(*(name for name in given.values if name not in names[cls])) for cls in names
    )
    return read_value(training, TrainSettings), read_value(clips, ClipSettings)


def source_of(network: AnyPath | SourceFile | Network) -> SourceFile:
    """Return the text of a network. Raises CannotRun for a file that cannot be read."""
    if isinstance(network, SourceFile):
        return network
    if isinstance(network, Network):
        return SourceFile(network.name, str(network))
    return check_file(os.fspath(network)).source


def with_classes(source: SourceFile, classes: int) -> SourceFile:
    """Return a text with another number of classes. Raises AnetError for a text with errors."""
    network_of(check_source(source))
    tree = parse_syntax(source)
    edits = set_attribute(tree, find(tree, "sink"), "classes", str(classes))
    return attrs.evolve(source, text=apply(source.text, edits))


def _parent(weights: AnyPath | None, text: AnyPath | None, *, new_head: bool) -> Parent | None:
    """Return the parent of a run. Raises CannotRun for a missing file."""
    if weights is None:
        for option, value in (("--init-text", text), ("--new-head", new_head or None)):
            if value is not None:
                raise CannotRun(f"{option}: is about the weights of --init-from; give this, too")
        return None
    for path in (weights, text):
        if path is not None and not Path(path).is_file():
            raise cannot_read(path)
    return Parent(Path(weights), None if text is None else Path(text), new_head=new_head)
