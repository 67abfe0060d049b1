"""Exceptions with a text for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anetdsl.diagnostics import Diagnostic


class CannotRun(Exception):
    """A task cannot be done, for example because a file is missing. The text is for the user."""


def cannot_read(path: object, error: Exception | None = None) -> CannotRun:
    """Return the exception for a file that cannot be read, with one wording everywhere.

    Its text is "PATH: no such file", or "PATH: cannot be read: REASON" for an `error` other than
    FileNotFoundError.
    """
    if error is None or isinstance(error, FileNotFoundError):
        return CannotRun(f"{path}: no such file")
    reason = error.strerror if isinstance(error, OSError) else None
    return CannotRun(f"{path}: cannot be read: {reason or error}")


class AnetError(Exception):
    """A text has errors. The message shows all of them with their places; so does `diagnostics`."""

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics
