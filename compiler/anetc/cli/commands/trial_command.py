"""`anetc trial`: train and evaluate one candidate of a search."""

from __future__ import annotations

import click

from anetdsl.errors import cannot_read
from anetdsl.evolve.contract import EXIT_FAILED, TrialFolder
from anetdsl.terminal import visible


@click.command("trial")
@click.argument("folder")
def command(folder: str) -> None:
    """Train and evaluate FOLDER/candidate.anet by FOLDER/job.json, and write result.json.

    A search starts this command for each candidate. Exit codes: 0 if the result has the status
    `done`, 1 if it has the status `failed`, 2 if no result could be written.
    """
    trial = TrialFolder(folder)
    from anetc.trial.job import read_job

    read_job(trial)  # a wrong job is reported before the slow import of torch
    if not trial.candidate.is_file():
        raise cannot_read(trial.candidate)
    from anetc.cli.log import show_log
    from anetc.trial.trial import run_trial

    show_log()
    if run_trial(trial) == "failed":
        click.echo(f"the trial failed; see {visible(str(trial.result))}", err=True)
        raise click.exceptions.Exit(EXIT_FAILED)
