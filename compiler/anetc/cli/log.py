"""Print the log of the package on standard error, one line per record."""

from __future__ import annotations

import logging

import click

from anetdsl.terminal import visible


class _Echo(logging.Handler):
    """Log handler that prints each line once, on the current `sys.stderr`."""

    def __init__(self) -> None:
        super().__init__()
        self._printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if line not in self._printed:
            self._printed.add(line)
            click.echo(visible(line), err=True)


def show_log(level: int = logging.INFO) -> None:
    """Print the log of `anetc`, from this level on, until the running command ends."""
    log, echo = logging.getLogger("anetc"), _Echo()
    before = log.level
    log.setLevel(level)
    log.addHandler(echo)

    def stop() -> None:
        log.removeHandler(echo)
        log.setLevel(before)

    click.get_current_context().call_on_close(stop)
