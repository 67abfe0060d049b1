"""The entry point of `anetc`: Ctrl-C ends the command with one line, also during the imports.

This module imports next to nothing. Until `run` has imported the command, a signal handler ends
the process; KeyboardInterrupt would show a traceback from the middle of an import.
"""

import _signal  # type: ignore[import-not-found]  # `signal` imports more modules
import os

_INTERRUPTED = 130


def run() -> None:
    """Run the command line and exit with its exit code."""
    try:
        # SIGINT may be ignored, as under nohup: then it stays ignored.
        handled = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
        if handled:
            _signal.signal(_signal.SIGINT, _exit)
        from anetc.cli.main import run as run_command

        if handled:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        run_command()
    except KeyboardInterrupt:
        _exit()


def _exit(*_: object) -> None:
    try:  # noqa: SIM105 - importing contextlib takes time
        os.write(2, b"\nanetc: interrupted\n")  # a terminal shows ^C before
    except OSError:  # standard error is closed
        pass
    os._exit(_INTERRUPTED)
