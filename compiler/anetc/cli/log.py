"""What the packages note in their log, on standard error: a line each."""

from __future__ import annotations

import logging

import click


class _Echo(logging.Handler):
    """Writes to the standard error of the moment, the same line once."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if line not in self._said:
            self._said.add(line)
            click.echo(line, err=True)


def show_log() -> None:
    """Show what `anetc` notes from now to the end of the command that is running."""
    log, echo = logging.getLogger("anetc"), _Echo()
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(echo)

    def hide() -> None:
        log.removeHandler(echo)
        log.setLevel(before)

    click.get_current_context().call_on_close(hide)
