"""`anetc data`: what is in a data set, what is wrong with it, and its optical flow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anetc.cli.options import SizeType
from anetc.cli.progress import count_progress
from anetc.cli.tables import show_table
from anetc.data.spec import parse_spec
from anetdsl.errors import CannotRun
from anetdsl.files import check_writable, write_atomically
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.data.upkeep.checking import Checked
    from anetc.data.upkeep.listing import Listing
    from anetc.data.values import DataSpec

_SHOWN = 10

_format = click.option(
    "--format",
    "format_",
    metavar="FORMAT",
    help="moments, charades or folder, if that is not plain.",
)
_workers = click.option(
    "--workers", type=click.IntRange(1, 1024), help="Processes; one for each processor by default."
)
_fps = click.option(
    "--fps",
    type=click.FloatRange(0.1, 1000),
    default=12.5,
    show_default=True,
    help="Frames a second.",
)


@click.group("data")
def command() -> None:
    """Look at a data set, check it, and compute its optical flow once."""


@command.command("info")
@click.argument("data", metavar="DIR")
@_format
@click.option("--classes", is_flag=True, help="List every class.")
def info(data: str, format_: str | None, classes: bool) -> None:
    """Count the videos of DIR by split and class. No video is read."""
    from anetc.data.upkeep.census import count

    _, listing = _listed(data, format_)
    found = count(listing.entries)
    show_table(
        ("split", "videos", "classes", "labels a video", "fewest", "most"),
        [
            (
                census.split,
                str(census.videos),
                str(len(census.classes)),
                f"{census.labels / max(census.videos, 1):.2f}",
                str(census.classes[-1][1]) if census.classes else "",
                str(census.classes[0][1]) if census.classes else "",
            )
            for census in found
        ],
    )
    if listing.skipped:
        click.echo(f"\n{len(listing.skipped)} more are in quarantine.")
    if classes:
        counts = {census.split: dict(census.classes) for census in found}
        labels = sorted({label for census in found for label, _ in census.classes})
        click.echo()
        show_table(
            ("class", *counts),
            [(label, *(str(c.get(label, 0)) for c in counts.values())) for label in labels],
        )


@command.command("check")
@click.argument("data", metavar="DIR")
@_format
@click.option(
    "--frames",
    type=click.IntRange(1, 100_000),
    default=32,
    show_default=True,
    help="Frames of a clip: a video with fewer is short.",
)
@_fps
@click.option("--quick", is_flag=True, help="Read the packets of each video, decode one frame.")
@click.option("--all", "show_all", is_flag=True, help="Print every finding.")
@click.option("--quarantine", metavar="FILE", help="Write the videos that cannot be used.")
@_workers
def check(
    data: str,
    format_: str | None,
    frames: int,
    fps: float,
    quick: bool,
    show_all: bool,
    quarantine: str | None,
    workers: int | None,
) -> None:
    """Check the lists of DIR, and decode every video. Exit code 1 if there is any finding.

    Missing and corrupt videos, unknown labels, short and slow videos, copies, and what is wrong
    with annotations. Videos in quarantine are not looked at.
    """
    from anetc.data.upkeep.checking import check_data
    from anetc.data.upkeep.pool import processors
    from anetc.data.upkeep.quarantine import add_to_quarantine

    if quarantine is not None:
        check_writable(quarantine)
    spec, listing = _listed(data, format_)
    with count_progress("videos", len(listing.entries)) as progress:
        found = check_data(
            spec,
            listing,
            frames=frames,
            fps=fps,
            quick=quick,
            workers=workers or processors(),
            progress=progress,
        )
    _show_findings(found, show_all)
    if quarantine is not None:
        text = add_to_quarantine(Path(quarantine), found.unusable())
        write_atomically(quarantine, text)
        click.echo(f"wrote {visible(quarantine)}", err=True)
    if found.findings:
        raise click.exceptions.Exit(1)


@command.command("flow")
@click.argument("data", metavar="DIR")
@_format
@click.option(
    "--short-side",
    type=click.IntRange(1, 8192),
    help="Pixels of the short side that pictures are resized to; 256 by default.",
)
@click.option(
    "--size", type=SizeType(), metavar="S|HxW", help="In its place: the whole picture's size."
)
@_fps
@_workers
def flow(
    data: str,
    format_: str | None,
    short_side: int | None,
    size: tuple[int, int] | None,
    fps: float,
    workers: int | None,
) -> None:
    """Compute the TV-L1 flow of all videos of DIR, once, into files beside them.

    Training reads it from there, with the same numbers. What is there already is left alone, so an
    interrupted run goes on. Exit code 1 if a video cannot be read.
    """
    if short_side is not None and size is not None:
        raise click.UsageError("--short-side and --size exclude each other.")
    spec, listing = _listed(data, format_)
    # torch takes seconds to import, and making flow needs it.
    from anetc.data.formats.videos import flow_folder
    from anetc.data.upkeep.flow_cache import make_flow
    from anetc.data.upkeep.flow_files import FlowKey
    from anetc.data.upkeep.pool import processors

    folder = flow_folder(spec, listing.root, FlowKey(fps, size or short_side or 256))
    outcomes: Counter[str] = Counter()
    held = 0
    failed: list[str] = []
    paths = [entry.path for entry in listing.entries]
    with count_progress("flow", len(paths)) as progress:
        made_all = make_flow(listing.root, folder, paths, workers or processors())
        for done, made in enumerate(made_all, 1):
            outcomes[made.outcome] += 1
            held += made.bytes
            if made.outcome == "failed":
                failed.append(made.reason)
            progress(done)
    for reason in failed[:_SHOWN]:
        click.echo(visible(reason), err=True)
    if len(failed) > _SHOWN:
        click.echo(f"... and {len(failed) - _SHOWN} more; see `anetc data check`", err=True)
    click.echo(
        f"{visible(str(folder.place))}: {outcomes['made']} made ({held / 1e6:.1f} MB), "
        f"{outcomes['there']} there already, {outcomes['failed']} failed"
    )
    if failed:
        raise click.exceptions.Exit(1)


def _listed(data: str, format_: str | None) -> tuple[DataSpec, Listing]:
    from anetc.data.upkeep.listing import list_videos

    spec = parse_spec(data, format_)
    listing = list_videos(spec)
    if not listing.entries:
        raise CannotRun(f"{visible(data)}: there are no videos")
    return spec, listing


def _show_findings(found: Checked, show_all: bool) -> None:
    from anetc.data.upkeep.checking import KINDS

    click.echo(_many(found.videos, "video") + " checked", nl=False)
    if found.quarantined:
        click.echo(f", {found.quarantined} more in quarantine", nl=False)
    if found.unlisted:
        click.echo(f", {found.unlisted} more in no list", nl=False)
    click.echo(f"; {_many(len(found.findings), 'finding')}")
    for kind in KINDS:
        findings = found.of(kind)
        if not findings:
            continue
        click.echo(f"\n{kind}: {len(findings)}")
        shown = findings if show_all else findings[:_SHOWN]
        for finding in shown:
            click.echo(f"  {visible(finding.name)}: {visible(finding.what)}")
        if len(shown) < len(findings):
            click.echo(f"  ... and {len(findings) - len(shown)} more (--all shows them)")


def _many(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
