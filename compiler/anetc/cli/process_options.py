"""Types of options that count processes: `--workers` and `--devices`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from anetc.process_start import processor_count
from anetdsl.evolve.workers.gpu_slots import visible_gpus

AUTO = "auto"
ALL = "all"
MOST_WORKERS = 16
"""Most loader processes that `auto` chooses."""


def automatic_workers(cores: int, processes: int) -> int:
    """Return the number of loader processes for one of several training processes.

    One core of each training process is left for the training.
    """
    return min(MOST_WORKERS, max(1, cores // processes - 1))


class WorkersType(click.ParamType[int]):
    """A number of loader processes, or `auto`, which prints what it chooses."""

    name = "n|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number. Raise click.BadParameter for anything else."""
        if value != AUTO:
            return int(click.IntRange(0).convert(value, param, ctx))
        cores, processes = processor_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        count = automatic_workers(cores, processes)
        if os.environ.get("RANK", "0") == "0":
            shared = "" if processes == 1 else f", {processes} training processes"
            click.echo(f"--workers auto: {count} (of {cores} cores{shared})", err=True)
        return count


class DevicesType(click.ParamType[int]):
    """A number of training processes, or `all`: one for each GPU."""

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
