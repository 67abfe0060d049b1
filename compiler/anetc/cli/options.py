"""Options that several commands share."""

from __future__ import annotations

import re
from typing import get_args

import click
from click.core import ParameterSource

from anetc.devices import EngineChoice, PrecisionChoice

Engine = EngineChoice

_SIZE = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?")


class SizeType(click.ParamType[tuple[int, int]]):
    """A spatial size: `224`, or height x width as `128x160`."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (height, width)."""
        if isinstance(value, tuple):
            return value
        match = _SIZE.fullmatch(str(value))
        if match is None or "0" in (
            match[1].lstrip("0") or "0",
            (match[2] or "1").lstrip("0") or "0",
        ):
            self.fail(
                f"{value!r} is not a size; write 224, or HEIGHTxWIDTH such as 128x160", param, ctx
            )
        return int(match[1]), int(match[2] or match[1])


frames_option = click.option(
    "--frames",
    type=click.IntRange(1, 100_000),
    default=32,
    show_default=True,
    help="Frames of a clip.",
)
size_option = click.option(
    "--size",
    type=SizeType(),
    default="224",
    show_default=True,
    metavar="S|HxW",
    help="Height and width in pixels.",
)
classes_option = click.option(
    "--classes",
    type=click.IntRange(1, 1_000_000),
    help="Classes, in place of the network's own.",
)
engine_option = click.option(
    "--engine",
    type=click.Choice(["fast", "reference"]),
    default="fast",
    show_default=True,
    help="Compute with the fast engine of the device, or with the reference module, to compare.",
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="auto is the first GPU that PyTorch can use, else the CPU.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(get_args(PrecisionChoice)),
    default="auto",
    show_default=True,
    help="auto: bfloat16 on a GPU with tensor cores for it, else float32. ieee: no TF32.",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Threads that compute; by default one for each processor that the command may use.",
)
deterministic_option = click.option(
    "--deterministic", is_flag=True, help="The same numbers every time, also on a GPU; slower."
)


def given_options(*names: str) -> list[str]:
    """Return the options given on the command line, of the running command's parameters `names`.

    >>> given_options("max_failures")  # doctest: +SKIP
    ['--max-failures']
    """
    source = click.get_current_context().get_parameter_source
    given = (name for name in names if source(name) is ParameterSource.COMMANDLINE)
    return [f"--{name.replace('_', '-')}" for name in given]
