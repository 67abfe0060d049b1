"""Ctrl-C and SIGTERM at any moment after the start of the entry point: one line, 130 or 143."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment

INTERRUPTS_ITSELF = """\
import os, signal, sys
from anetc.cli.entry_point import run

number = getattr(signal, sys.argv.pop(1))
if sys.argv.pop(1) == "ignore":
    signal.signal(number, signal.SIG_IGN)
left = int(sys.argv.pop(1))

def count(event, _):
    global left
    if event == "import":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)

sys.addaudithook(count)
run()
"""
"""A program that runs `anetc` and sends a signal to itself at its n-th import."""


INTERRUPTED = (130, "\nanetc: interrupted\n")
TERMINATED = (143, "\nanetc: terminated\n")


def interrupted(
    number: int, *arguments: str, signals: str = "handle", name: str = "SIGINT"
) -> tuple[int, str]:
    """Return the exit code and the standard error of a command interrupted at an import.

    The moment is an import, not a time, so that the load of the machine does not matter.
    """
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTS_ITSELF, name, signals, str(number), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "moments"),
    [
        (["check", "good.anet"], range(1, 1000, 7)),
        (["stats", "good.anet"], range(60, 1000, 60)),
        (["bench", "good.anet"], range(200, 1000, 200)),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_interrupt_during_the_imports(
    arguments: list[str], moments: range, folder: Path
) -> None:
    """`check` has the fewest imports; `bench` imports torch."""
    count = 0
    for number in moments:
        outcome = interrupted(number, *arguments)
        if outcome == (0, ""):  # the command ended before this import
            break
        assert outcome == INTERRUPTED, number
        count += 1
    assert count > 2


def test_sigterm_at_any_import(folder: Path) -> None:
    for number in (1, 60, 120):
        assert interrupted(number, "check", "good.anet", name="SIGTERM") == TERMINATED
    assert interrupted(1, "check", "good.anet", signals="ignore", name="SIGTERM") == (0, "")


@pytest.mark.slow
def test_an_interrupt_at_every_import_of_check(folder: Path) -> None:
    for number in itertools.count(1):
        outcome = interrupted(number, "check", "good.anet")
        if outcome == (0, ""):
            break
        assert outcome == INTERRUPTED, number
    assert number > 100


def test_a_process_that_ignores_interrupts_goes_on(folder: Path) -> None:
    """As under nohup."""
    for number in (1, 50):
        assert interrupted(number, "check", "good.anet", signals="ignore") == (0, "")


def test_the_entry_point_imports_next_to_nothing() -> None:
    """Before it handles Ctrl-C, no other module may be imported: that takes time."""
    code = (
        "import sys; before = set(sys.modules); import anetc.cli.entry_point\n"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {
        *("__future__", "anetc", "anetc.cli", "anetc.cli.entry_point"),
    }


def test_the_signal_handler_of_a_command_is_that_of_python(folder: Path) -> None:
    """After the imports Ctrl-C raises KeyboardInterrupt, so that files are cleaned up."""
    code = (
        "import signal\nfrom unittest import mock\nfrom anetc.cli import entry_point, main\n"
        "with mock.patch.object(main, 'run', lambda: print(signal.getsignal(signal.SIGINT))):\n"
        "    entry_point.run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{signal.default_int_handler}\n"
