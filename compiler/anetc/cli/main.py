"""The command itself: finds a subcommand, loads only that, and turns failures into exit codes.

Exit codes of every command: 0 clean, 1 findings (errors or warnings in a text, a difference, a file
that is not formatted), 2 could not run (a bad option, a missing file, something not installed).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from typing import NoReturn

import click

import anetdsl
from anetc.memory import is_out_of_memory
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

# Thousands of values that stay are made in a moment: looking for garbage among them takes a
# twentieth of what `anetc check` takes.
gc.set_threshold(50_000)

FINDINGS = 1
COULD_NOT_RUN = 2

_COMMANDS = {
    "check": "Find mistakes in .anet files.",
    "explain": "Explain a finding's code.",
    "fmt": "Lay out .anet files in the canonical way.",
    "stats": "What a network costs: parameters, multiply-adds, memory, receptive field.",
    "diff": "How two networks differ.",
    "render": "Draw a network.",
    "dump": "Print a network as JSON.",
    "import": "Make .anet text of the authors' structure lists, or of JSON.",
    "export": "Write a network as the authors' structure lists.",
    "compile": "Make a file of a network that runs without this package.",
    "run": "Run a network on a video.",
    "data": "Look at a data set, check it, compute its optical flow.",
    "train": "Train a network on a data set.",
    "eval": "What a network is worth on a data set.",
    "prune": "Drop the low-weight edges of a trained network.",
    "trial": "Train and judge one candidate of a search.",
    "mutate": "Make children of a network, as a search does.",
    "evolve": "Search for a network that does well on a data set.",
    "report": "Write a page about a search, or about several compared.",
    "bench": "How fast a network runs here, node by node.",
}


class _Commands(click.Group):
    """Subcommands that are imported when they are used: `check` must not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
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
    """The compiler and tools of the .anet language for multi-stream video networks."""


def run() -> NoReturn:
    """Run the command line and leave with its exit code; no failure shows a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A name may hold what the terminal's encoding cannot show: show its escape.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = main.main(prog_name="anetc", standalone_mode=False)
        if sys.stdout is not None:  # as it is where standard output was closed
            sys.stdout.flush()
    except click.exceptions.Abort:
        _stop("interrupted", 130)
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(COULD_NOT_RUN)
    except CannotRun as error:
        _stop("\n".join(map(visible, str(error).splitlines())), COULD_NOT_RUN)
    except SystemExit:
        # The reader has gone (`anetc dump x | head`): click would leave with 1, findings.
        sys.exit(COULD_NOT_RUN)
    except Exception as error:
        if is_out_of_memory(error):
            _stop("there is not enough memory", COULD_NOT_RUN)
        if isinstance(error, OSError) and error.filename is None:
            _drop_output()
            _stop(f"the output cannot be written: {error.strerror}", COULD_NOT_RUN)
        if os.environ.get("ANETC_TRACEBACK"):
            raise
        _stop(
            f"internal error: {type(error).__name__}: {visible(str(error)[:500])}\n"
            "This is a bug in anetc. Please report it with the file and the command; "
            "ANETC_TRACEBACK=1 in the environment shows where it happened.",
            COULD_NOT_RUN,
        )
    sys.exit(code if isinstance(code, int) else 0)


def _stop(message: str, code: int) -> NoReturn:
    with contextlib.suppress(OSError):  # where standard error cannot be written either
        click.echo(f"anetc: {message}", err=True)
    sys.exit(code)


def _drop_output() -> None:
    """Forget what standard output still holds, so that it is not tried again at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    run()
