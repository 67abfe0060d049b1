"""The `anetc` command: import the module of the subcommand, run it, turn errors into exit codes.

Exit codes of every command: 0 clean, 1 findings (errors or warnings in a text, a difference, a file
that is not formatted), 2 could not run (a bad option, a missing file, a program or package that is
not installed), 130 interrupted, 143 terminated (SIGTERM).
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import os
import sys
from typing import NoReturn, TextIO

import click

import anetdsl
from anetc.cli.terminated import Terminated
from anetc.memory import is_out_of_memory
from anetc.process_start import prepare_process
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

# A command creates thousands of objects that live until it ends. With Python's default threshold,
# garbage collection takes a twentieth of the time of `anetc check`.
gc.set_threshold(50_000)

COULD_NOT_RUN = 2
INTERRUPTED = 130
TERMINATED = 143

_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO)
"""Errors that are no bug, wherever they occur: a full disk, too many open files and such."""

_COMMANDS = {
    "check": "Find mistakes in .anet files.",
    "explain": "Explain the code of a finding.",
    "lsp": "Start the language server for editors.",
    "fmt": "Format .anet files in the canonical layout.",
    "stats": "Count parameters, multiply-adds, memory and receptive field.",
    "diff": "Compare two networks.",
    "render": "Draw a network.",
    "preview": "Show a network in the browser; the page follows the file.",
    "dump": "Print a network as JSON.",
    "import": "Convert the authors' structure lists, or JSON, to .anet text.",
    "export": "Convert a network to the authors' structure lists.",
    "compile": "Compile a network to a file that runs without this package.",
    "run": "Run a network on a video.",
    "data": "Inspect or check a data set, or compute its optical flow.",
    "train": "Train a network on a data set.",
    "eval": "Evaluate a network on a data set.",
    "prune": "Remove the low-weight edges of a trained network.",
    "connect": "Add all possible edges to a network.",
    "trial": "Train and evaluate one candidate of a search.",
    "mutate": "Create children of a network, as a search does.",
    "evolve": "Search for a network that does well on a data set.",
    "finals": "Compare the best networks of a search and train the best one fully.",
    "report": "Write a page about a search, or a comparison of several.",
    "dashboard": "Show running searches live in the browser.",
    "study": "Measure the method: searches, networks and edge weights.",
    "bench": "Measure how fast a network runs on this machine.",
}

_WITHOUT_TORCH = frozenset(
    [
        "check",
        "explain",
        "lsp",
        "fmt",
        "stats",
        "diff",
        "render",
        "dump",
        "import",
        "export",
        "connect",
        "mutate",
        "report",
    ]
)
"""Commands that do not compute. They start faster without `prepare_process`."""


class _Commands(click.Group):
    """A group that imports a subcommand when it is used: `check` must not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in _WITHOUT_TORCH:
            prepare_process()
        module = importlib.import_module(f"anetc.cli.commands.{cmd_name}_command")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 clean, 1 findings, 2 could not run. A file named - is standard input.",
)
@click.version_option(anetdsl.__version__, prog_name="anetc")
def main() -> None:
    """Compiler and tools of the .anet language for multi-stream video networks."""


def run() -> NoReturn:
    """Run the command line and exit with its exit code. No failure shows a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Escape characters of names that the terminal's encoding does not have.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = main.main(prog_name="anetc", standalone_mode=False)
        if sys.stdout is not None:  # None if standard output is closed
            sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        cause = error.__cause__
        if isinstance(cause, EOFError):  # click takes it for an interrupt
            _fail(cause)
        if isinstance(cause, Terminated) or isinstance(error, Terminated):
            _exit("terminated", TERMINATED)
        _exit("interrupted", INTERRUPTED)
    except click.ClickException as error:
        try:
            error.show()
        except OSError:
            _drop_output(sys.stderr)
        sys.exit(COULD_NOT_RUN)
    except CannotRun as error:
        _exit("\n".join(map(visible, str(error).splitlines())), COULD_NOT_RUN)
    except SystemExit:
        # The reader has closed the pipe (`anetc dump x | head`). Click exits with 1, findings.
        sys.exit(COULD_NOT_RUN)
    except Exception as error:
        _fail(error)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(error: Exception) -> NoReturn:
    """Report an exception that is not meant for the user, and exit."""
    if is_out_of_memory(error):
        _exit("there is not enough memory", COULD_NOT_RUN)
    if isinstance(error, OSError) and error.errno is not None:
        if error.filename is None:
            _drop_output(sys.stdout)
            _exit(f"the output cannot be written: {error.strerror}", COULD_NOT_RUN)
        if error.errno in _OF_THE_MACHINE:
            _exit(visible(f"{error.filename}: {error.strerror}"), COULD_NOT_RUN)
    if os.environ.get("ANETC_TRACEBACK"):
        raise error
    _exit(
        f"internal error: {type(error).__name__}: {visible(str(error)[:500])}\n"
        "This is a bug in anetc. Please report it with the file and the command; "
        "ANETC_TRACEBACK=1 in the environment shows where it happened.",
        COULD_NOT_RUN,
    )


def _exit(message: str, code: int) -> NoReturn:
    try:
        click.echo(f"anetc: {message}", err=True)
    except OSError:  # Standard error cannot be written either.
        _drop_output(sys.stderr)
    sys.exit(code)


def _drop_output(stream: TextIO) -> None:
    """Drop buffered output: if Python failed to write it at exit, the exit code would be 120."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
