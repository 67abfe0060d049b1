"""`anetc trial`: one candidate of a search."""

from __future__ import annotations

from pathlib import Path

import click

from anetdsl.errors import cannot_read
from anetdsl.terminal import visible


@click.command("trial")
@click.argument("folder")
def command(folder: str) -> None:
    """Train and judge FOLDER/candidate.anet as FOLDER/job.json says, and write result.json.

    What a search starts, once for each candidate. Exit codes: 0 if the result says `done`, 1 if it
    says `failed`, 2 where no result could be written.
    """
    path = Path(folder)
    from anetc.trial.job import read_job

    read_job(path)  # before torch, which takes seconds to import
    if not (path / "candidate.anet").is_file():
        raise cannot_read(path / "candidate.anet")
    from anetc.cli.log import show_log
    from anetc.trial.trial import RESULT, run_trial

    show_log()
    if run_trial(path) == "failed":
        click.echo(f"failed; {visible(str(path / RESULT))} says why", err=True)
        raise click.exceptions.Exit(1)
