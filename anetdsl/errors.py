"""Exceptions whose text is for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anetdsl.diagnostics import Diagnostic


class CannotRun(Exception):
    """The work could not be done (a missing file, a bad option); its text is for the user."""


class AnetError(Exception):
    """Raised at the API's edge when a text has errors; `diagnostics` holds all of them."""

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics
