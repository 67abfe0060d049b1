"""The web application: pages, and an event stream that reports which sections have changed.

The application only reads. It answers GET and HEAD, and takes no path of a file from a request. A
page loads its script and style from the same server and nothing else, which its content security
policy enforces. A request whose `Host` is not one of the allowed names is refused, so that a
foreign page cannot read the application through a name that it resolves to this machine (DNS
rebinding); there is no CORS header. A browser states which page caused a request; a request of a
foreign page is refused, except for a link to the page.
"""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import anyio
import attrs
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anetdsl.report.html_page import contents_list, page_file, page_style, section_markup
from anetdsl.report.markup import Markup, tag, text
from anetdsl.web.live_source import LiveContent, LiveSource
from anetdsl.web.page_content import PageContent
from anetdsl.web.page_files import live_script, live_style

POLL_SECONDS = 0.5
"""Time between two looks at a source for each open page."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def live_app(
    pages: Mapping[str, LiveSource],
    *,
    hosts: Sequence[str] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Starlette:
    """Return the application.

    Args:
        pages: Sources by path. The paths are "" for the first page, and names such as "run/1".
        hosts: Allowed host names of requests; None allows all.
        stopping: Function that returns True once the server shuts down; event streams end then.
    """
    routes = [
        Route("/live.js", functools.partial(_file, live_script(), "text/javascript")),
        Route("/live.css", functools.partial(_file, page_style() + live_style(), "text/css")),
        Route("/sort.js", functools.partial(_file, page_file("sort.js"), "text/javascript")),
    ]
    for path, source in pages.items():
        page = _Page(path, PageContent(source), len(pages) > 1, stopping)
        base = f"/{path}" if path else ""
        routes += [
            Route(base or "/", page.whole),
            Route(f"{base}/lead", page.lead),
            Route(f"{base}/section/{{anchor}}", page.section),
            Route(f"{base}/changes", page.changes),
        ]
    middleware = [Middleware(_SecurityHeaders), Middleware(_OwnPagesOnly)]
    if hosts is not None:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)))
    return Starlette(routes=routes, middleware=middleware)


@attrs.frozen
class _Page:
    """The answers about one page."""

    path: str
    latest: PageContent
    has_other_pages: bool
    stopping: Callable[[], bool]

    async def whole(self, _: Request) -> Response:
        content = await self.latest.now()
        return HTMLResponse(_html(content, self.path, link_home=self.has_other_pages))

    async def lead(self, _: Request) -> Response:
        content = await self.latest.last()
        return HTMLResponse(content.lead, headers=_digest_header(content, ""))

    async def section(self, request: Request) -> Response:
        content = await self.latest.last()
        section = content.section(request.path_params["anchor"])
        if section is None:
            return PlainTextResponse("there is no such section now", status_code=404)
        headers = _digest_header(content, section.anchor)
        return HTMLResponse(section_markup(section).strip(), headers=headers)

    async def changes(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(
            self._events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def _events(self) -> AsyncIterator[str]:
        """Yield the outline of the page at once and after every change, and a comment at times."""
        last, quiet = None, 0.0
        while not self.stopping():
            content = await self.latest.now()
            outline = content.outline()
            if outline != last:
                last, quiet = outline, 0.0
                yield f"data: {json.dumps(outline)}\n\n"
            elif quiet >= 15:
                quiet = 0.0
                yield ": alive\n\n"
            await anyio.sleep(POLL_SECONDS)
            quiet += POLL_SECONDS


def _digest_header(content: LiveContent, anchor: str) -> dict[str, str]:
    """Return the header by which the script knows which version of a section it has loaded."""
    return {"ETag": f'"{content.digests[anchor]}"'}


async def _file(content: str, media_type: str, _: Request) -> Response:
    return Response(content, media_type=f"{media_type}; charset=utf-8")


def _html(content: LiveContent, path: str, *, link_home: bool) -> str:
    """Return the page as HTML. It is complete without scripts; the script keeps it up to date."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", text(content.title)),
        tag("link", rel="stylesheet", href="/live.css"),
        tag("link", rel="icon", href="data:,"),
        tag("script", src="/sort.js", defer=""),
        tag("script", src="/live.js", defer=""),
    )
    # The time of the last change is outside the live region: a screen reader announces a lost
    # connection and a new lead, but not every change.
    state = tag(
        "p",
        tag("span", text("not live: scripts are off"), id="state", role="status"),
        tag("span", id="changed"),
        class_="faint",
    )
    home = [tag("p", tag("a", text("all runs"), href="/"))] if link_home and path else []
    body = tag(
        "body",
        tag("a", text("skip to the content"), href="#content", class_="skip"),
        tag(
            "header",
            *home,
            tag("h1", text(content.title), id="title"),
            state,
            tag("div", content.lead, id="lead", aria_live="polite"),
        ),
        tag(
            "nav", tag("ul", *contents_list(content.sections), id="contents"), aria_label="contents"
        ),
        tag("main", *map(section_markup, content.sections), id="content", tabindex=-1),
        data_path=f"/{path}/" if path else "/",
        data_outline=json.dumps(content.outline()),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n{Markup(head)}\n{body}\n</html>\n'


class _OwnPagesOnly:
    """Middleware that refuses what a page of another origin requests.

    Such a page could not read the answer, but it could occupy the server. A link to a page is
    allowed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        is_foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if is_foreign and headers.get("sec-fetch-mode") != "navigate":
            refusal = PlainTextResponse("a page of another origin requests this", status_code=403)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _SecurityHeaders:
    """Middleware that adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((key.lower().encode(), value.encode()) for key, value in _HEADERS.items()),
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)
