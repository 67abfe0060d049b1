"""A search or a training run in a notebook, followed while it runs."""

from __future__ import annotations

import importlib
import threading
import time
from pathlib import Path
from typing import Any

from anetdsl.errors import CannotRun
from anetdsl.notebook.fragments import fragment
from anetdsl.report.markup import paragraph, tag, text
from anetdsl.web.live_source import LatestContent, LiveContent
from anetdsl.web.run_sources import source_of

_SECTIONS = ("summary", "running", "loss", "validation", "fitness", "networks", "population")
"""Sections that the display shows. `anetc dashboard` shows all."""


class RunView:
    """A live display of a search (`anetc evolve`) or a training run (`anetc train`).

    In a notebook, the value of a cell is displayed and follows the run in the background, while
    other cells are executed, until the run is complete or `stop` is called:

        view = RunView("search")
        view
    """

    def __init__(self, path: str | Path, *, seconds: float = 2.0) -> None:
        """View the directory of a run, which may not exist yet.

        `seconds` is the time between two updates. Raises CannotRun if the directory exists and
        holds neither a search nor a training run.
        """
        self.path = Path(path)
        self._seconds = seconds
        self._latest: LatestContent | None = None
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        if self.path.exists():
            self._latest = LatestContent(source_of(self.path))

    def stop(self) -> None:
        """Update all displays of this view a last time."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def html(self) -> str:
        """Return the display of this moment as HTML."""
        return _html(self._content())

    def __repr__(self) -> str:
        """Return the path, for notebooks that display no HTML."""
        return f"RunView({str(self.path)!r})"

    def _content(self) -> LiveContent:
        """Return the content now, or a note while the run does not exist."""
        if self._latest is None:
            try:
                self._latest = LatestContent(source_of(self.path))
            except CannotRun:
                note = paragraph(text(f"{self.path}: there is no run yet"), class_="note")
                return LiveContent(f"Run {self.path.name}", note, ())
        return self._latest.get()

    def _repr_html_(self) -> str:
        """Return the display of this moment, for a program that cannot follow."""
        return self.html()

    def _ipython_display_(self) -> None:
        """Display the run, and update the display in the background."""
        content = self._content()
        ipython: Any = importlib.import_module("IPython.display")
        handle = ipython.display(ipython.HTML(_html(content)), display_id=True)
        if content.complete:
            return
        thread = threading.Thread(target=self._follow, args=(handle, content), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _follow(self, handle: Any, shown: LiveContent) -> None:
        ipython: Any = importlib.import_module("IPython.display")
        stopped, took = False, 0.0
        while not shown.complete and not stopped:
            # A large search leaves the kernel to other cells.
            stopped = self._stopped.wait(max(self._seconds, 3 * took))
            started = time.monotonic()
            content = self._content()  # also once after `stop`, for the last state
            took = time.monotonic() - started
            if content.digests != shown.digests:
                handle.update(ipython.HTML(_html(content)))
            shown = content


def _html(content: LiveContent) -> str:
    parts = [tag("h3", text(content.title)), content.lead]
    for section in content.sections:
        if section.anchor in _SECTIONS:
            parts += [tag("h4", text(section.heading)), section.content]
    return fragment(*parts)
