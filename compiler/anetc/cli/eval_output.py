"""Print the results of `anetc eval`."""

from __future__ import annotations

import contextlib
import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from anetc.cli.tables import show_table
from anetc.evaluation.scores import Evaluation
from anetc.evaluation.summary import (
    absent_classes,
    class_rows,
    confusion_picture,
    confusion_table,
    standard_errors,
)
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.terminal import visible

MAX_LISTED_CLASSES = 40
"""Number of classes up to which the table of classes is printed by default."""
_MAX_NAMES = 5
_TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "mAP": "mAP",
    "wAP": "wAP",
    "mAP_present": "mAP, present classes",
    "wAP_present": "wAP, present classes",
    "loss": "loss",
}
_PLACES = {"random": ", at random places (seed {seed})", "even": ", evenly spread"}


def show_headline(about: Mapping[str, Any], evaluation: Evaluation) -> None:
    """Print the network, the data and the clips of an evaluation, then an empty line.

    `about` holds `network`, `data`, `split`, `recipe` and `seed` of the JSON output.
    """
    parts = [str(about["network"])] if about["network"] else []
    if about["data"]:
        parts.append(f"{about['data']}, {about['split']} split")
    parts.append(f"{len(evaluation.names):,} videos of {len(evaluation.classes)} classes")
    click.echo(visible("; ".join(parts)))
    recipe = about["recipe"]
    if isinstance(recipe, Mapping):
        # The recipe may come from a prediction file, which may hold any values.
        with contextlib.suppress(KeyError, TypeError, ValueError):
            click.echo(visible(_clips_text(recipe, about["seed"])))
    click.echo()


def _clips_text(recipe: Mapping[str, Any], seed: object) -> str:
    """Describe the clips of each video, such as "5 clips of 64 frames of 256 x 256 pixels"."""
    height, width = recipe["size"]
    count = f"{recipe['clips']} clips" if recipe["clips"] > 1 else "one clip"
    text = f"{count} of {recipe['frames']} frames of {height} x {width} pixels"
    stored = recipe.get("stored_frames")
    if stored is not None and recipe["frames"] > stored:
        text += f", repeated from {stored} stored frames"
    elif stored is not None and recipe["frames"] < stored and recipe["when"] == "centre":
        text += f", from the middle of {stored} stored frames"
    return text + _PLACES.get(recipe["when"], "").format(seed=seed)


def show_measures(evaluation: Evaluation) -> None:
    """Print the measures, and a note for each group of videos or classes without a score."""
    measures, errors = evaluation.measures(), standard_errors(evaluation)
    all_present = evaluation.multi_label and not math.isnan(measures["mAP"])
    rows = []
    for name, title in _TITLES.items():
        value = measures.get(name)
        if value is None or (all_present and name.endswith("_present")):
            continue
        if name == "top5" and len(evaluation.classes) < 5:
            title = f"top-{len(evaluation.classes)}"
        if name == "loss":
            if evaluation.are_logits:
                rows.append((title, _format(value, 4), ""))
            continue
        error = f"+- {errors[name]:.2f}" if name in errors else ""
        rows.append((title, _format(value, 2) + " %" * math.isfinite(value), error))
    width = max(len(title) for title, _, _ in rows)
    for title, value_text, error in rows:
        click.echo(f"{title:<{width}}  {value_text:>9}  {error}".rstrip())
    _show_missing(evaluation)


def _show_missing(evaluation: Evaluation) -> None:
    """Print which classes have no video, and which videos have no scores or NaN scores."""
    absent = absent_classes(evaluation)
    if absent and evaluation.multi_label:
        click.echo(
            f"\n{_count(absent, 'class has', 'classes have')} no video, so the official mAP is "
            f"undefined: {_first_names(absent)}"
        )
    one, many = ("ranks", "rank") if evaluation.multi_label else ("counts", "count")
    effect = " after all other videos" if evaluation.multi_label else " as wrong"
    if evaluation.failed:
        verb = one if len(evaluation.failed) == 1 else many
        click.echo(
            f"\n{_count(evaluation.failed, 'video has', 'videos have')} no scores and "
            f"{verb}{effect}: {_first_names(evaluation.failed)}"
        )
    failed = set(evaluation.failed)
    with_nan = [
        name
        for name, is_unranked in zip(evaluation.names, evaluation.unranked.tolist())
        if is_unranked and name not in failed
    ]
    if with_nan:
        verb = one if len(with_nan) == 1 else many
        click.echo(
            f"\n{_count(with_nan, 'video has', 'videos have')} NaN scores and "
            f"{verb}{effect}: {_first_names(with_nan)}"
        )


def show_classes(evaluation: Evaluation) -> None:
    """Print the table of classes."""
    click.echo()
    rows = list(class_rows(evaluation))
    if evaluation.multi_label:
        cells = [
            (row.name, str(row.videos), _cell(row.measures["average_precision"])) for row in rows
        ]
        show_table(("class", "videos", "average precision"), cells)
        return
    top = min(5, len(evaluation.classes))
    show_table(
        ("class", "videos", "top-1", f"top-{top}", "most often predicted as"),
        [
            (
                row.name,
                str(row.videos),
                _cell(row.measures["top1"]),
                _cell(row.measures["top5"]),
                f"{row.confused_with[0]} ({row.confused_with[1]})" if row.confused_with else "",
            )
            for row in rows
        ],
    )


def check_confusion_path(path: str) -> None:
    """Raise CannotRun if `path` is neither a picture nor a table nor `-`."""
    if path != "-" and Path(path).suffix.lower() not in (".svg", ".csv"):
        raise CannotRun(f"--confusion {path}: must end in .svg or .csv, or be - to print the table")


def check_confusion_labels(path: str | None, *, multi_label: bool) -> None:
    """Raise CannotRun if a confusion matrix is requested of multi-label data."""
    if path is not None and multi_label:
        raise CannotRun(
            "--confusion: multi-label data have no confusion matrix; leave out --confusion"
        )


def write_confusion(evaluation: Evaluation, path: str, title: str) -> None:
    """Print the confusion matrix if `path` is `-`, else write it to a file."""
    table = confusion_table(evaluation)
    if path == "-":
        click.echo()
        show_table(table[0], table[1:])
        return
    if Path(path).suffix.lower() == ".svg":
        write_atomically(path, confusion_picture(evaluation, title))
    else:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(table)
        write_atomically(path, out.getvalue())
    click.echo(f"wrote {visible(path)}", err=True)


def _first_names(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    text = ", ".join(map(visible, names[:_MAX_NAMES]))
    return text + (f" and {more} more" if more > 0 else "")


def _count(things: Sequence[str], one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}"


def _format(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "none"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
