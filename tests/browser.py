"""Headless Chromium that a test drives through its debugging pipe.

ANETDSL_CHROMIUM names the browser; by default it is the `chromium` of Debian.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

SECONDS = 120
SCHEMES = {"light": (0xFF, 0xFF, 0xFF), "dark": (0x14, 0x18, 0x1D)}
"""Background of a page in each colour scheme, RGB."""


def find_chromium() -> str | None:
    """Return the path of Chromium, or None."""
    names = (os.environ.get("ANETDSL_CHROMIUM", "chromium"), "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@attrs.define
class Browser:
    """One page in a running browser."""

    _write: int
    _read: int
    _session: str = ""
    _number: int = 0
    _pending: bytes = b""
    console: list[str] = attrs.field(factory=list)
    """Messages of the console and uncaught errors so far."""

    def open_page(self) -> None:
        """Open an empty page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the DevTools protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + SECONDS
        while True:
            answer = self._receive(end)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def visit(self, url: str) -> None:
        """Load a page and wait until its scripts have run."""
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = SECONDS) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"not within {seconds} s: {expression}"
            time.sleep(0.05)

    def show(self, width: int, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window and the colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str) -> None:
        """Press and release a key such as Tab or Enter."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text
            )

    def screenshot(self, *, whole: bool = False) -> bytes:
        """Return a PNG of the window, or of the whole page."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def _receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._read, 1 << 20)
            assert data, "the browser has ended"
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "Runtime.consoleAPICalled":
            self.console.append(str(message["params"]["args"]))
        elif message.get("method") == "Runtime.exceptionThrown":
            self.console.append(str(message["params"]["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded":
            self.console.append(str(message["params"]["entry"]["text"]))
        return message


@attrs.frozen
class Screenshot:
    """Size, first pixel and content of a screenshot."""

    width: int
    height: int
    corner: tuple[int, ...]
    """First pixel, RGB."""
    drawn: float
    """Fraction of bytes that differ from the bytes beside or above them."""


def read_png(data: bytes) -> Screenshot:
    """Read a screenshot."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8
    packed, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    rows = zlib.decompress(packed)
    assert kind in (2, 6)  # RGB, RGBA
    # The first pixel has no predecessor, so every filter of PNG leaves it as it is.
    return Screenshot(width, height, tuple(rows[1:4]), 1 - rows.count(0) / len(rows))


@contextlib.contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Start Chromium with a new profile and give one page of it."""
    program = find_chromium()
    assert program is not None
    to_browser, from_browser = os.pipe(), os.pipe()
    command = [
        *(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
        *("--disable-extensions", "--disable-dev-shm-usage", "--disable-quic", "--disable-sync"),
        *(f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"),
    ]
    # Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
    moved = 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"'
    script = ["bash", "-c", moved, str(to_browser[0]), str(from_browser[1]), *command]
    process = subprocess.Popen(
        script, pass_fds=(to_browser[0], from_browser[1]), stderr=subprocess.DEVNULL
    )
    os.close(to_browser[0])
    os.close(from_browser[1])
    try:
        browser = Browser(to_browser[1], from_browser[0])
        browser.open_page()
        yield browser
    finally:
        process.terminate()
        process.wait(SECONDS)
        os.close(to_browser[1])
        os.close(from_browser[0])
