"""`anetc data`: list, check and prepare a data set."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from anetc.cli.network_input import load_network
from anetc.cli.options import SizeType
from anetc.cli.progress import count_progress
from anetc.cli.tables import show_table
from anetc.data.spec import parse_spec
from anetdsl.errors import CannotRun
from anetdsl.files import check_writable, write_atomically
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anetc.data.upkeep.dataset_check import DatasetCheck
    from anetc.data.upkeep.findings import MapsCheck
    from anetc.data.upkeep.listing import Listing
    from anetc.data.values import DataSpec

_SHOWN = 10

_format = click.option(
    "--format",
    "format_",
    metavar="FORMAT",
    help="moments, charades, folder or list, if it cannot be guessed.",
)
_workers = click.option(
    "--workers", type=click.IntRange(1, 1024), help="Processes; one for each processor by default."
)


def _checked_rate(_context: click.Context, _option: click.Parameter, fps: float) -> float:
    if math.isnan(fps):  # NaN is in every range
        raise click.BadParameter("'nan' is not a number.")
    return fps


_fps = click.option(
    "--fps",
    callback=_checked_rate,
    type=click.FloatRange(0.1, 1000),
    default=12.5,
    show_default=True,
    help="Frames a second.",
)


@click.group("data")
def command() -> None:
    """List a data set, check it, and compute its optical flow once."""


@command.command("info")
@click.argument("data", metavar="DIR")
@_format
@click.option("--classes", is_flag=True, help="List every class, also without videos.")
def info(data: str, format_: str | None, classes: bool) -> None:
    """Count the videos of DIR by split and class. No video is read."""
    from anetc.data.object_maps.map_check import count_maps
    from anetc.data.upkeep.split_counts import count_videos

    spec, listing = _listed(data, format_)
    splits = count_videos(listing.entries)
    show_table(
        ("split", "videos", "classes", "labels a video", "fewest", "most"),
        [
            (
                counts.split,
                str(counts.videos),
                str(len(counts.classes)),
                f"{counts.labels / max(counts.videos, 1):.2f}",
                str(counts.classes[-1][1]) if counts.classes else "",
                str(counts.classes[0][1]) if counts.classes else "",
            )
            for counts in splits
        ],
    )
    if listing.skipped:
        click.echo(f"\n{len(listing.skipped)} more are in quarantine.")
    if (line := count_maps(spec, listing).line(len(listing.paths()))) is not None:
        click.echo(f"\n{visible(line)}")
    if classes:
        by_split = {counts.split: dict(counts.classes) for counts in splits}
        found = {label for counts in splits for label, _ in counts.classes}
        labels = sorted(found | {*listing.classes})
        click.echo()
        show_table(
            ("class", *by_split),
            [(label, *(str(c.get(label, 0)) for c in by_split.values())) for label in labels],
        )


@command.command("check")
@click.argument("data", metavar="DIR")
@_format
@click.option(
    "--frames",
    type=click.IntRange(1, 100_000),
    help="Frames per clip, by default as in training; a video with fewer frames is short.",
)
@click.option(
    "--size",
    type=SizeType(),
    metavar="S|HxW",
    help="Pixels of a clip, by default as in training; a video with fewer pixels is small.",
)
@_fps
@click.option(
    "--network",
    "network_file",
    metavar="FILE",
    help="A network; if it has an object input, the object maps must fit it.",
)
@click.option(
    "--quick", is_flag=True, help="Read all packets of a video, but decode only one frame."
)
@click.option("--all", "show_all", is_flag=True, help="Print every finding.")
@click.option(
    "--quarantine", metavar="FILE", help="Add the videos that cannot be used to this list."
)
@_workers
def check(
    data: str,
    format_: str | None,
    frames: int | None,
    size: tuple[int, int] | None,
    fps: float,
    network_file: str | None,
    quick: bool,
    show_all: bool,
    quarantine: str | None,
    workers: int | None,
) -> None:
    """Check the lists of DIR and decode every video. Exit code 1 if there is any finding.

    Findings are a single class, classes and splits without videos, splits of unequal kind, missing
    and corrupt videos, unknown labels, short, slow and small videos, copies, wrong annotations, and
    object maps that are missing or cannot be used.
    The clips are those of `anetc train` with the same options. Videos in quarantine are not
    checked.
    """
    from anetc.data.recipes import recipes_for
    from anetc.data.upkeep.dataset_check import check_data
    from anetc.data.upkeep.quarantine import extended_quarantine
    from anetc.data.values import object_channels
    from anetc.process_start import processor_count

    network = None if network_file is None else load_network(network_file)
    if quarantine is not None:
        check_writable(quarantine)
    spec, listing = _listed(data, format_)
    recipe = attrs.evolve(recipes_for(spec, frames, size).train, fps=fps)
    with count_progress("videos", len(listing.paths())) as progress:
        found = check_data(
            spec,
            listing,
            recipe=recipe,
            quick=quick,
            workers=workers or processor_count(),
            progress=progress,
            channels=None if network is None else object_channels(network),
        )
    _show_findings(found, show_all)
    if quarantine is not None:
        text = extended_quarantine(Path(quarantine), found.unusable())
        write_atomically(quarantine, text)
        click.echo(f"wrote {visible(quarantine)}", err=True)
    if found.findings:
        raise click.exceptions.Exit(1)


@command.command("flow")
@click.argument("data", metavar="DIR")
@_format
@click.option(
    "--short-side",
    "short_sides",
    multiple=True,
    type=click.IntRange(1, 8192),
    metavar="N",
    help="Resize frames to this short side in pixels; that of training by default. Repeatable.",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    type=SizeType(),
    metavar="S|HxW",
    help="Resize whole frames to this size instead.",
)
@_fps
@_workers
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Device that computes the flow; cuda: all GPUs, with a process for each.",
)
def flow(
    data: str,
    format_: str | None,
    short_sides: tuple[int, ...],
    sizes: tuple[tuple[int, int], ...],
    fps: float,
    workers: int | None,
    device: str,
) -> None:
    """Compute the TV-L1 flow of all videos of DIR once, into the cache that training reads.

    Flow that is computed during training on a CPU has the same numbers; that of a GPU may differ by
    a step in a few places. Files in the cache are kept, so an
    interrupted command can be repeated. Exit code 1 if a video cannot be read.
    """
    if short_sides and sizes:
        raise click.UsageError("--short-side and --size exclude each other.")
    spec, listing = _listed(data, format_)
    # torch, which computes flow, takes seconds to import.
    from anetc.data.recipes import recipes_for
    from anetc.data.upkeep.flow_files import FlowKey
    from anetc.data.upkeep.missing_flow import all_flow, compute_needed, default_keys
    from anetc.devices import resolve
    from anetc.process_start import processor_count
    from anetdsl.evolve.workers.gpu_slots import visible_gpus

    found = resolve(device, "float32")
    # Each worker process chooses a GPU of its own.
    device = found.kind if device in ("auto", "cuda") else found.name
    if workers is None and found.is_cuda:
        workers = len(visible_gpus()) if device == "cuda" else 1
    workers = workers or processor_count()
    click.echo(found.line(_many(workers, "process", "processes")), err=True)
    given: tuple[int | tuple[int, int], ...] = sizes or short_sides
    keys = [FlowKey(fps, size) for size in dict.fromkeys(given)]
    if not keys:
        keys = [attrs.evolve(key, fps=fps) for key in default_keys(recipes_for(spec))]
    failed = False
    for need in all_flow(spec, listing, keys):
        with count_progress("flow", len(need.paths)) as progress:
            done = compute_needed(need, workers, progress, device)
        # The videos that fail are the same for each size.
        for reason in () if failed else done.failures[:_SHOWN]:
            click.echo(visible(reason), err=True)
        if len(done.failures) > _SHOWN and not failed:
            more = len(done.failures) - _SHOWN
            click.echo(f"... and {more} more; see `anetc data check`", err=True)
        failed = failed or bool(done.failures)
        click.echo(
            f"{visible(str(need.folder.path))}: {done.computed} computed "
            f"({done.bytes / 1e6:.1f} MB), {done.cached} cached, {len(done.failures)} failed"
        )
    if failed:
        raise click.exceptions.Exit(1)


def _listed(data: str, format_: str | None) -> tuple[DataSpec, Listing]:
    from anetc.cli.log import show_log
    from anetc.data.upkeep.listing import list_videos

    show_log(logging.WARNING)
    spec = parse_spec(data, format_)
    listing = list_videos(spec)
    if not listing.entries:
        raise CannotRun(f"{data}: there are no videos")
    return spec, listing


def _show_findings(found: DatasetCheck, show_all: bool) -> None:
    from anetc.data.upkeep.findings import FINDING_KINDS

    click.echo(_many(found.videos, "video") + " checked", nl=False)
    if found.quarantined:
        click.echo(f", {found.quarantined} more in quarantine", nl=False)
    if found.unlisted:
        click.echo(f", {found.unlisted} more in no list", nl=False)
    click.echo(f"; {_many(len(found.findings), 'finding')}")
    if found.maps:
        _show_maps(found.maps)
    for kind in FINDING_KINDS:
        findings = found.of(kind)
        if not findings:
            continue
        click.echo(f"\n{kind}: {len(findings)}")
        shown = findings if show_all else findings[:_SHOWN]
        for finding in shown:
            click.echo(f"  {visible(finding.name)}: {visible(finding.message)}")
        if len(shown) < len(findings):
            click.echo(f"  ... and {len(findings) - len(shown)} more (--all shows them)")


def _show_maps(maps: Sequence[MapsCheck]) -> None:
    click.echo(f"object maps of {_many(len(maps), 'video')}", nl=False)
    classes = max(part.classes for part in maps)
    if not classes:  # pictures that were not read
        click.echo()
    elif maps[0].are_scores:
        click.echo(f": scores of {classes} classes, for an input with channels={classes}")
    else:
        click.echo(f": classes 0 to {classes - 1}, for an input with channels={classes} or more")


def _many(count: int, noun: str, nouns: str = "") -> str:
    return f"1 {noun}" if count == 1 else f"{count} {nouns or f'{noun}s'}"
