"""The content of a page for many requests: one thread, pauses, and a source that hangs."""

from __future__ import annotations

import asyncio
import threading
import time

import attrs
import pytest

from anetdsl.report.markup import paragraph, text
from anetdsl.web import page_content
from anetdsl.web.live_source import LiveContent
from anetdsl.web.page_content import PageContent


@attrs.define
class SlowSource:
    """A source that always changes, and whose content waits for `ready`."""

    made: int = 0
    ready: threading.Event = attrs.field(factory=threading.Event)

    def token(self) -> object:
        return object()

    def content(self) -> LiveContent:
        self.made += 1
        number = self.made
        assert self.ready.wait(60)
        return LiveContent("slow", paragraph(text(number)), ())


@pytest.fixture
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_content, "_REST", 0.0)


def test_requests_at_the_same_time_share_one_thread(no_rest: None) -> None:
    source = SlowSource()

    async def work() -> list[LiveContent]:
        page = PageContent(source)
        requests = [asyncio.create_task(page.now()) for _ in range(60)]
        await asyncio.sleep(0)
        requests[0].cancel()  # a reader who leaves does not disturb the others
        source.ready.set()
        return await asyncio.gather(*requests[1:])

    contents = asyncio.run(work())
    assert source.made == 1
    assert len(contents) == 59
    assert {content.lead for content in contents} == {"<p>1</p>"}


def test_the_last_content_is_there_while_new_content_is_made(no_rest: None) -> None:
    source = SlowSource()

    async def work() -> tuple[str, str, str]:
        page = PageContent(source)
        source.ready.set()
        first = await page.now()
        source.ready.clear()
        update = asyncio.create_task(page.now())
        await asyncio.sleep(0)
        meanwhile = await page.last()
        source.ready.set()
        return first.lead, meanwhile.lead, (await update).lead

    assert asyncio.run(work()) == ("<p>1</p>", "<p>1</p>", "<p>2</p>")


def test_a_slow_source_is_left_in_peace_for_a_multiple_of_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    class Source(SlowSource):
        def content(self) -> LiveContent:
            clock[0] += 3
            return super().content()

    source = Source()
    source.ready.set()

    async def work() -> list[int]:
        page, made = PageContent(source), []
        for pause in (0.0, 5.9, 0.2):
            clock[0] += pause
            await page.now()
            made.append(source.made)
        return made

    assert asyncio.run(work()) == [1, 1, 2]


def test_a_source_that_hangs_does_not_keep_the_event_loop() -> None:
    source = SlowSource()

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(PageContent(source).now(), 0.05)

    asyncio.run(work())
    assert not source.ready.is_set()
    source.ready.set()
