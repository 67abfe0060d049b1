"""Create a run directory, resume it, and drive its search to the end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.evolve.contract import TrialJob
from anetdsl.evolve.drive import candidate_files
from anetdsl.evolve.drive.driver import Driver, Rules
from anetdsl.evolve.drive.lock import locked
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import Candidate, Store, open_store
from anetdsl.evolve.settings.run_settings import (
    Running,
    RunSettings,
    read_run_settings,
    settings_text,
)
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.executors import check_workers, open_workers
from anetdsl.evolve.workers.trial_process import COMMAND
from anetdsl.files import make_folder, write_atomically


def make_run(
    directory: RunDir, settings: RunSettings, write_data: Callable[[Path], None] = lambda _: None
) -> None:
    """Create a run directory. Raise CannotRun if it exists or the settings are wrong.

    `write_data` writes a record of the data into the folder.
    """
    _check(settings)
    check_workers(settings.running.executor, settings.running.gpus)
    _check_is_new(directory)
    _make_folders(directory)
    with locked(directory), open_store(directory, new=True) as store:
        _check_is_new(directory)  # another process may have created it in the meantime
        with store.commit():
            store.set_settings(settings)
            store.set_meta("started", repr(time.time()))
        write_data(directory.path)
        # Last: a folder with this file is a run directory.
        write_atomically(directory.settings, settings_text(settings), durable=True)


def _check(settings: RunSettings) -> None:
    """Raise CannotRun if no search can run with the settings."""
    TrialJob.from_values(settings.trial, "[trial]")


def _check_is_new(directory: RunDir) -> None:
    if directory.settings.exists():
        raise CannotRun(
            f"{directory.path}: contains a search already; "
            f"`anetc evolve --resume {directory.path}` continues it"
        )


def drive_run(
    directory: RunDir,
    rules: Rules,
    *,
    change: Callable[[Running], Running] = lambda running: running,
    check: Callable[[RunSettings], None] = lambda _: None,
    check_data: Callable[[RunSettings], None] = lambda _: None,
    command: tuple[str, ...] = COMMAND,
    ready: Callable[[Driver], Callable[[], None] | None] = lambda _: None,
) -> bool:
    """Drive a run until it is finished (True) or stopped (False).

    Args:
        directory: A run directory that `make_run` created.
        rules: The search algorithm.
        change: Returns the settings for this driver only, given those of the run.
        check: Raises CannotRun if settings that a person has changed are wrong.
        check_data: Raises CannotRun if the data are not those that the search began with.
        command: Command of a trial, without its folder.
        ready: Is called with the driver before the driver starts, to stop it later; may return a
            function that the driver calls after each change.

    Raises:
        CannotRun: If the search cannot continue. The run can be resumed.
    """
    if not directory.path.is_dir():
        raise CannotRun(f"{directory.path}: no such folder")
    with locked(directory), open_store(directory) as store:
        _make_folders(directory)
        settings = _update_settings(directory, store, check)
        settings = attrs.evolve(settings, running=change(settings.running))
        _check(settings)
        check_data(settings)
        catch_up(directory, store)
        running, training = settings.running, settings.trial.get("settings", {})
        on_cpu = "cpu" in (settings.trial.get("device"), training.get("device"))
        with open_workers(
            running.executor, running.gpus, running.per_gpu, on_cpu=on_cpu
        ) as workers:
            driver = Driver(directory, settings, store, rules, Dispatcher(workers, command))
            driver.watch = ready(driver) or driver.watch
            return driver.drive()


def _update_settings(
    directory: RunDir, store: Store, check: Callable[[RunSettings], None]
) -> RunSettings:
    """Return the settings of the file, and store them if a person has changed them."""
    before = store.settings()
    if not directory.settings.exists():
        write_atomically(directory.settings, settings_text(before))
    settings = read_run_settings(str(directory.settings), before)
    if settings != before:
        check(settings)
        with store.commit():
            store.add_event("settings", before=settings_text(before))
            store.set_settings(settings)
    return settings


def catch_up(directory: RunDir, store: Store) -> None:
    """Write files that are older than the database, as after a driver that was killed.

    A candidate's text that a person has changed is moved to the inbox, to become a candidate of
    its own. The text that was trained is restored under the candidate's name.
    """
    for candidate in store.candidates():
        _catch_up_text(directory, candidate)
        record = candidate_files.record_text(candidate)
        if not _has_content(directory.record(candidate.name), record):
            candidate_files.write_record(directory, candidate)


def _catch_up_text(directory: RunDir, candidate: Candidate) -> None:
    path = directory.arch(candidate.name)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise cannot_read(path, error) from None
    if content == candidate.record.text.encode():
        return
    if content.strip() and content != candidate.proposal.encode():
        mark = hashlib.sha256(content).hexdigest()[:6]
        write_atomically(directory.inbox / f"{candidate.name}-changed-{mark}.anet", content)
    candidate_files.write_text(directory, candidate)


def _has_content(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _make_folders(directory: RunDir) -> None:
    for folder in (directory.path, directory.archs, directory.trials, directory.inbox):
        make_folder(folder)
