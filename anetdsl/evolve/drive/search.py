"""A search from its start to its end: a run directory made, taken up again, and driven."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import attrs

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.evolve.drive import candidate_files
from anetdsl.evolve.drive.driver import Driver, Rules
from anetdsl.evolve.drive.lock import locked
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import Candidate, Store, open_store
from anetdsl.evolve.settings.run_settings import (
    Running,
    RunSettings,
    check_asked,
    read_run_settings,
    settings_text,
)
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.executors import check_workers, open_workers
from anetdsl.evolve.workers.trial_process import COMMAND
from anetdsl.files import write_atomically


def make_run(directory: RunDir, asked: RunSettings) -> None:
    """Make a run directory. Raises CannotRun where there is one, or the settings are wrong."""
    check_asked(asked)
    check_workers(asked.running.executor, asked.running.gpus)
    _refuse_to_make_again(directory)
    _make_folders(directory)
    with locked(directory), open_store(directory, new=True) as store:
        _refuse_to_make_again(directory)  # another process may have been faster
        with store.commit():
            store.keep_settings(asked)
            store.set_meta("started", repr(time.time()))
        # Last: from now on it is a run.
        write_atomically(directory.settings, settings_text(asked), durable=True)


def _refuse_to_make_again(directory: RunDir) -> None:
    if directory.settings.exists():
        raise CannotRun(
            f"{directory.path}: holds a search already; "
            f"`anetc evolve --resume {directory.path}` goes on with it"
        )


def drive_run(
    directory: RunDir,
    rules: Rules,
    *,
    change: Callable[[Running], Running] = lambda running: running,
    check: Callable[[RunSettings], None] = lambda _: None,
    command: tuple[str, ...] = COMMAND,
    ready: Callable[[Driver], Callable[[], None] | None] = lambda _: None,
) -> bool:
    """Go on with a run until it is finished (True) or stopped (False).

    `change` is what this driver does otherwise than the settings say. `check` is given settings
    that a person has changed, and may raise CannotRun. `ready` is given the driver before it
    starts, to stop it; what it returns is called after each change. Raises CannotRun.
    """
    if not directory.path.is_dir():
        raise CannotRun(f"{directory.path}: no such folder")
    with locked(directory), open_store(directory) as store:
        _make_folders(directory)
        asked = _settings_now(directory, store, check)
        asked = attrs.evolve(asked, running=change(asked.running))
        check_asked(asked)
        catch_up(directory, store)
        with open_workers(asked.running.executor, asked.running.gpus) as workers:
            driver = Driver(directory, asked, store, rules, Dispatcher(workers, command))
            driver.watch = ready(driver) or driver.watch
            return driver.drive()


def _settings_now(
    directory: RunDir, store: Store, check: Callable[[RunSettings], None]
) -> RunSettings:
    """The settings file, which a person may have changed since the last driver."""
    before = store.asked()
    if not directory.settings.exists():
        write_atomically(directory.settings, settings_text(before))
    asked = read_run_settings(str(directory.settings), before)
    if asked != before:
        check(asked)
        with store.commit():
            store.event("settings", before=settings_text(before))
            store.keep_settings(asked)
    return asked


def catch_up(directory: RunDir, store: Store) -> None:
    """Write what the database knows and the files do not, as after a driver that was killed.

    A candidate's text that a person has changed is put into the inbox, to be trained as a candidate
    of its own; under the old name stays what was trained.
    """
    for candidate in store.candidates():
        _catch_up_text(directory, candidate)
        record = candidate_files.record_text(candidate)
        if not _holds(directory.record(candidate.name), record):
            candidate_files.write_record(directory, candidate)


def _catch_up_text(directory: RunDir, candidate: Candidate) -> None:
    path = directory.arch(candidate.name)
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    except OSError as error:
        raise cannot_read(path, error) from None
    if found == candidate.record.text.encode():
        return
    if found.strip() and found != candidate.proposal.encode():
        mark = hashlib.sha256(found).hexdigest()[:6]
        write_atomically(directory.inbox / f"{candidate.name}-changed-{mark}.anet", found)
    candidate_files.write_text(directory, candidate)


def _holds(path: Any, text: str) -> bool:
    try:
        return bool(path.read_bytes() == text.encode())
    except OSError:
        return False


def _make_folders(directory: RunDir) -> None:
    for folder in (directory.path, directory.archs, directory.trials, directory.inbox):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRun(f"{folder}: cannot be made: {error.strerror}") from None
