"""Serve an application on a port of this machine until it is interrupted."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import webbrowser
from collections.abc import Callable, Mapping

import uvicorn

from anetdsl.errors import CannotRun
from anetdsl.web.live_app import live_app
from anetdsl.web.live_source import LiveSource

LOOPBACK = "127.0.0.1"
PORT = 8765
"""Port of the first server; further servers take the next free ports."""
_TRIED_PORTS = 20


def serve(
    pages: Mapping[str, LiveSource],
    notify: Callable[[str], None],
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    browser: bool = False,
) -> None:
    """Serve pages until SIGINT or SIGTERM.

    Args:
        pages: Sources of the pages by path, as for `live_app`.
        notify: Function that gets each line for the user.
        host: Address to listen on.
        port: Port; 0 takes any free port, None the first free port from `PORT` on.
        browser: Whether the page is opened in the user's browser.

    Raises:
        CannotRun: The address or the port cannot be used.
        KeyboardInterrupt: SIGINT, after the server has shut down.
    """
    host = host.strip().removeprefix("[").removesuffix("]").lower()
    if not host:
        raise CannotRun("--host: the empty text is not an address or the name of a host")
    listener = _listen(host, port)
    at = listener.getsockname()[1]
    is_local = _is_loopback(host)
    # Starlette compares the name without the port. For other addresses, the names are not known.
    hosts = ("localhost", LOOPBACK, "[", "[::1]", host) if is_local else None
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{at}/"
    if not is_local:
        notify(f"warning: everyone who can reach {shown}:{at} can read these pages")
    notify(f"serving {url} (Ctrl-C stops)")
    server: uvicorn.Server | None = None
    app = live_app(pages, hosts=hosts, stopping=lambda: server is not None and server.should_exit)
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    if browser:
        webbrowser.open(url)
    with listener:
        server.run(sockets=[listener])


def _is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket. Raise CannotRun."""
    tried = range(PORT, PORT + _TRIED_PORTS) if port is None else (port,)
    failure: OSError | None = None
    for candidate in tried:
        try:
            place = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            listener = socket.socket(place[0], socket.SOCK_STREAM)
            try:
                if os.name == "posix":
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(place[4])
                listener.listen(128)
            except OSError:
                listener.close()
                raise
            return listener
        except UnicodeError:
            raise CannotRun(f"--host: `{host}` is not an address or the name of a host") from None
        except socket.gaierror as error:
            raise CannotRun(f"--host: no address of `{host}` is known: {error.strerror}") from None
        except OSError as error:
            failure = error
    assert failure is not None
    reason = failure.strerror or str(failure)
    advice = "; try --port 0" if failure.errno in (errno.EADDRINUSE, errno.EACCES) else ""
    raise CannotRun(f"cannot listen on {host}, port {tried[-1]}: {reason}{advice}")
