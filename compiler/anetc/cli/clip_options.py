"""Options for the augmentation of training clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from anetdsl.errors import CannotRun

_Function = TypeVar("_Function", bound=Callable[..., Any])


class PairType(click.ParamType[tuple[float, float]]):
    """Two numbers, LOW,HIGH; both may be fractions such as 3/4."""

    name = "pair"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Return both numbers."""
        if isinstance(value, tuple):
            return value
        try:
            low, high = (_number(part) for part in str(value).split(","))
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a range; write LOW,HIGH such as 0.35,1", param, ctx)
        return low, high


class WordsType(click.ParamType[tuple[str, str]]):
    """Two words, separated by a comma."""

    name = "words"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return both words."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if len(words) != 2 or not all(words) or words[0].lower() == words[1].lower():
            self.fail(f"{value!r} is not two words; write them as left,right", param, ctx)
        return words[0], words[1]


def augmentation_options(function: _Function) -> _Function:
    """Add the options for the augmentation of training clips to a command."""
    fraction = click.FloatRange(0, 1)
    options = (
        click.option("--flip/--no-flip", default=None, help="Mirror half of the training clips."),
        click.option(
            "--mirror-words",
            type=WordsType(),
            metavar="A,B",
            help="Mirror; classes that differ only in these words exchange their places.",
        ),
        click.option(
            "--mirror-classes",
            metavar="CSV",
            help="Mirror; the two classes in each line of this file exchange their places.",
        ),
        click.option(
            "--crop-area",
            type=PairType(),
            metavar="LOW,HIGH",
            help="Random resized crop of this part of the frame's area, such as 0.35,1.",
        ),
        click.option(
            "--crop-aspect",
            type=PairType(),
            metavar="LOW,HIGH",
            help="Width / height of a random resized crop; 3/4,4/3 by default.",
        ),
        click.option("--brightness", type=fraction, help="Jitter of the brightness, such as 0.4."),
        click.option("--contrast", type=fraction, help="Jitter of the contrast."),
        click.option("--saturation", type=fraction, help="Jitter of the saturation."),
        click.option("--hue", type=click.FloatRange(0, 0.5), help="Jitter of the hue, up to 0.5."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_class_pairs(path: str | None) -> tuple[tuple[str, str], ...] | None:
    """Return the pairs of classes in a CSV file. Raises CannotRun for another file."""
    if path is None:
        return None
    from anetc.data.formats.text_files import csv_rows, line_error

    pairs = []
    for line, row in csv_rows(Path(path)):
        names = [cell.strip() for cell in row]
        if len(names) != 2 or not all(names):
            raise line_error(
                Path(path), line, "write the names of two classes, separated by a comma"
            )
        pairs.append((names[0], names[1]))
    if not pairs:
        raise CannotRun(f"{path}: holds no pairs of classes")
    return tuple(pairs)


def _number(text: str) -> float:
    over, slash, under = text.partition("/")
    return float(over) / float(under) if slash else float(over)
