"""The content of a page for all requests: it is made in one thread, and at most at intervals."""

from __future__ import annotations

import asyncio
import time

import anyio.to_thread

from anetdsl.web.live_source import LatestContent, LiveContent, LiveSource

_REST = 2.0
"""Pause after making content, as a multiple of the time that making it took."""
_LONGEST_REST = 10.0
"""Longest such pause, in seconds."""


class PageContent:
    """The content of a source, for the requests of an event loop.

    Requests that come while the content is being made wait for the same result, so that a source
    occupies one thread at most. A source that takes long is looked at less often: a page about a
    large search leaves the processor to the search.
    """

    def __init__(self, source: LiveSource) -> None:
        """Take the source of the page."""
        self._latest = LatestContent(source)
        self._last: LiveContent | None = None
        self._look: asyncio.Task[LiveContent] | None = None
        self._next_look = 0.0

    async def now(self) -> LiveContent:
        """Return the content now; within the pause after making it, the last content."""
        if self._last is not None and time.monotonic() < self._next_look:
            return self._last
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._make())
        # A request that ends early leaves the work to the others.
        return await asyncio.shield(self._look)

    async def last(self) -> LiveContent:
        """Return the content that was made last. It is at once there if there is one."""
        return self._last if self._last is not None else await self.now()

    async def _make(self) -> LiveContent:
        started = time.monotonic()
        # The thread may hang, as in a file system that is away. The server can be stopped then.
        content = await anyio.to_thread.run_sync(self._latest.get, abandon_on_cancel=True)
        if content is not self._last:
            took = time.monotonic() - started
            self._next_look = time.monotonic() + min(_REST * took, _LONGEST_REST)
        self._last = content
        return content
