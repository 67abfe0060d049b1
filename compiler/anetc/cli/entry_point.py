"""The entry point of `anetc`: Ctrl-C and SIGTERM end the command with one line, at any moment.

This module imports next to nothing. Until `run` has imported the command, a signal handler ends
the process; KeyboardInterrupt would show a traceback from the middle of an import. So does a signal
while the interpreter ends.
"""

import _signal  # type: ignore[import-not-found]  # `signal` imports more modules
import os

_EXITS = {
    _signal.SIGINT: (130, b"\nanetc: interrupted\n"),  # a terminal shows ^C before
    _signal.SIGTERM: (143, b"\nanetc: terminated\n"),
}


def run() -> None:
    """Run the command line and exit with its exit code."""
    # A signal may be ignored, as SIGINT under nohup: then it stays ignored.
    handled = [
        number
        for number, usual in (
            (_signal.SIGINT, _signal.default_int_handler),
            (_signal.SIGTERM, _signal.SIG_DFL),
        )
        if _signal.getsignal(number) == usual
    ]
    try:
        for number in handled:
            _signal.signal(number, _exit)
        from anetc.cli.main import run as run_command
        from anetc.cli.terminated import raise_terminated

        handlers = {_signal.SIGINT: _signal.default_int_handler, _signal.SIGTERM: raise_terminated}
        for number in handled:
            _signal.signal(number, handlers[number])
        run_command()
    except SystemExit as end:
        if isinstance(end.code, int) and end.code in (code for code, _ in _EXITS.values()):
            end_at_once(end.code)
        raise
    except KeyboardInterrupt as error:
        interrupted = type(error) is KeyboardInterrupt
        _exit(_signal.SIGINT if interrupted else _signal.SIGTERM)
    finally:
        for number in handled:
            _signal.signal(number, _exit)


def _exit(number: int, *_: object) -> None:
    code, line = _EXITS[number]
    try:  # noqa: SIM105 - importing contextlib takes time
        os.write(2, line)
    except OSError:  # standard error is closed
        pass
    os._exit(code)


def end_at_once(code: int) -> None:
    """End the process as Python does, but leave its memory to the system: torch needs a second."""
    import atexit
    import sys

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105
            stream.flush()
        except (AttributeError, OSError, ValueError):  # closed, or None
            pass
    os._exit(code)
