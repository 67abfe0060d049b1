"""Types of options that count processes: `--workers` and `--devices`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import click

from anetc.process_start import processor_count
from anetc.worker_processes import automatic_workers
from anetdsl.evolve.workers.gpu_slots import visible_gpus

AUTO: Literal["auto"] = "auto"
ALL = "all"
MOST_WORKERS = 1000
"""Most loader processes that can be given."""


class TrialWorkersType(click.ParamType[int | Literal["auto"]]):
    """A number of loader processes of each trial, or `auto`, which stays `auto`."""

    name = "n|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["auto"]:
        """Return the number, or `auto`. Raise click.BadParameter for anything else."""
        if value == AUTO:
            return AUTO
        return int(click.IntRange(0, MOST_WORKERS).convert(value, param, ctx))


class WorkersType(click.ParamType[int]):
    """A number of loader processes, or `auto`, which prints what it chooses."""

    name = "n|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number. Raise click.BadParameter for anything else."""
        if value != AUTO:
            return int(click.IntRange(0, MOST_WORKERS).convert(value, param, ctx))
        cores, processes = processor_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        count = automatic_workers(cores, processes)
        if os.environ.get("RANK", "0") == "0":
            shared = "" if processes == 1 else f", {processes} processes"
            click.echo(f"--workers auto: {count} (of {cores} cores{shared})", err=True)
        return count


class DevicesType(click.ParamType[int]):
    """A number of computing processes, or `all`: one for each GPU."""

    name = "n|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number. Raise click.BadParameter for anything else, and without a GPU."""
        if value != ALL:
            return int(click.IntRange(1).convert(value, param, ctx))
        count = len(visible_gpus())
        if not count:
            self.fail("this process has no NVIDIA GPU", param, ctx)
        return count


def without_devices(words: Sequence[str]) -> list[str]:
    """Return the words of a command line without `--devices` and its value."""
    found: list[str] = []
    skipped = False
    for word in words:
        if skipped:
            skipped = False
        elif word == "--devices":
            skipped = True
        elif not word.startswith("--devices="):
            found.append(word)
    return found
