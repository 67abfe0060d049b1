"""The web application: its answers, its event stream, and what it refuses."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest
from starlette.testclient import TestClient

from anetdsl.errors import CannotRun
from anetdsl.report.html_page import Section
from anetdsl.report.markup import paragraph, text
from anetdsl.web import serving
from anetdsl.web.live_app import live_app
from anetdsl.web.live_source import LatestContent, LiveContent
from tests.command_line import anetc
from tests.documents import REPOSITORY
from tests.web.serving import SECONDS, served

HOSTILE = "<script>alert('x')</script>"
NETWORK = REPOSITORY / "examples" / "small_two_stream_fully.anet"


@attrs.define
class FakeSource:
    """A source whose content the test sets."""

    words: str = "first"
    made: int = 0

    def token(self) -> str:
        return self.words

    def content(self) -> LiveContent:
        self.made += 1
        section = Section("part", "A part", paragraph(text(self.words)))
        return LiveContent(f"About {HOSTILE}", paragraph(text("lead")), (section,))


def client(source: FakeSource, **options: object) -> TestClient:
    app = live_app({"": source}, hosts=("testserver",), **options)  # type: ignore[arg-type]
    return TestClient(app)


def test_content_is_made_again_only_after_a_change() -> None:
    source = FakeSource()
    latest = LatestContent(source)
    assert latest.get() is latest.get()
    assert source.made == 1
    source.words = "second"
    assert latest.get().sections[0].content == "<p>second</p>"
    assert source.made == 2


def test_only_the_digest_of_a_changed_section_changes() -> None:
    source = FakeSource()
    before, source.words = source.content().outline(), "second"
    after = source.content().outline()
    assert before["lead"] == after["lead"]
    assert before["sections"][0][:2] == after["sections"][0][:2] == ["part", "A part"]
    assert before["sections"][0][2] != after["sections"][0][2]


def test_a_page_is_complete_without_scripts_and_escapes_texts() -> None:
    page = client(FakeSource(HOSTILE)).get("/")
    assert page.status_code == 200
    assert HOSTILE not in page.text
    assert page.text.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;") >= 2
    assert '<section id="part">' in page.text


def test_parts_of_a_page() -> None:
    found = client(FakeSource())
    assert found.get("/lead").text == "<p>lead</p>"
    assert found.get("/section/part").text == (
        '<section id="part"><h2>A part</h2><p>first</p></section>'
    )
    assert found.get("/section/other").status_code == 404
    for name in ("live.js", "sort.js", "live.css"):
        assert found.get(f"/{name}").status_code == 200


def test_the_event_stream_reports_the_outline_and_its_changes() -> None:
    source = FakeSource()
    looks = 0

    def stopping() -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:
            source.words = "second"
        return looks > 3

    events = client(source, stopping=stopping).get("/changes")
    assert events.headers["content-type"].startswith("text/event-stream")
    outlines = [json.loads(one.removeprefix("data: ")) for one in events.text.split("\n\n") if one]
    digests = [outline["sections"][0][2] for outline in outlines]
    assert len(digests) == 2
    assert digests[0] != digests[1]


@pytest.mark.parametrize("path", ["/", "/lead", "/changes", "/live.js", "/nothing"])
def test_every_answer_forbids_foreign_content_and_frames(path: str) -> None:
    headers = client(FakeSource(), stopping=lambda: True).get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_requests_that_change_something_are_refused(method: str) -> None:
    assert client(FakeSource()).request(method, "/").status_code == 405


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("same-site", "cors", 403),  # a page of another port of this machine
        ("cross-site", "navigate", 200),  # a link to the page
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),  # an address that the user has typed
    ],
)
def test_requests_of_foreign_pages_are_refused(site: str, mode: str, status: int) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    answer = client(FakeSource(), stopping=lambda: True).get("/lead", headers=headers)
    assert answer.status_code == status
    assert ("lead" in answer.text) == (status == 200)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_request_for_the_headers_of_the_stream_ends() -> None:
    answer = client(FakeSource()).head("/changes")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_parts_name_their_version() -> None:
    """The script detects that a part is of another version than the outline."""
    source = FakeSource()
    outline, found = source.content().outline(), client(source)
    assert found.get("/lead").headers["etag"] == f'"{outline["lead"]}"'
    assert found.get("/section/part").headers["etag"] == f'"{outline["sections"][0][2]}"'


def test_an_unexpected_error_of_a_source_is_content() -> None:
    class FailingSource(FakeSource):
        def content(self) -> LiveContent:
            if self.words == "second":
                raise ZeroDivisionError(HOSTILE)
            return super().content()

    source = FailingSource()
    latest = LatestContent(source)
    before = latest.get()
    source.words = "second"
    content = latest.get()
    assert "internal error: ZeroDivisionError: &lt;script&gt;" in content.lead
    assert content.sections == before.sections
    assert "internal error: ZeroDivisionError" in LatestContent(source).get().lead


def test_the_time_of_a_change_is_outside_the_live_region() -> None:
    """A screen reader would read the time aloud after every step of a trial."""
    page = client(FakeSource()).get("/").text
    assert 'id="state" role="status">not live: scripts are off</span><span id="changed">' in page
    assert '<div id="lead" aria-live="polite"><p>lead</p></div>' in page


def test_a_foreign_host_name_is_refused() -> None:
    """A page elsewhere cannot read the application through a name of its own (DNS rebinding)."""
    answer = client(FakeSource()).get("/", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400
    assert "first" not in answer.text


def get(url: str, path: str, host: str | None = None) -> tuple[int, bytes]:
    """Ask the server for a path exactly as it is given."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=SECONDS)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or place.netloc)
    connection.endheaders()
    with contextlib.closing(connection):
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_no_file_can_be_read_through_the_server(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    model = tmp_path / "model.anet"
    model.write_text(NETWORK.read_text())
    with served("preview", model) as server:
        assert get(server.url, "/")[0] == 200
        assert get(server.url, "/", "localhost")[0] == 200
        assert get(server.url, "/", "elsewhere.example")[0] == 400
        for path in (
            "/secret.txt",
            "/../secret.txt",
            "/section/..%2f..%2fsecret.txt",
            "//secret.txt",
        ):
            status, body = get(server.url, path)
            assert status == 404, path
            assert b"secret" not in body


def test_ctrl_c_stops_the_server_also_while_a_page_is_open(tmp_path: Path) -> None:
    model = tmp_path / "model.anet"
    model.write_text(NETWORK.read_text())
    with served("preview", model) as server:
        place = urlsplit(server.url)
        with socket.create_connection((place.hostname, place.port), SECONDS) as page:
            page.sendall(b"GET /changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert page.recv(100).startswith(b"HTTP/1.1 200")
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(SECONDS) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read().split() == ["stopped"]


def test_a_port_that_is_in_use_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = anetc("preview", NETWORK, "--port", port)
    assert result.code == 2
    assert result.err.startswith(f"anetc: cannot listen on 127.0.0.1, port {port}: ")


def test_an_address_of_another_machine_is_refused() -> None:
    result = anetc("preview", NETWORK, "--host", "192.0.2.1", "--port", 0)
    assert result.code == 2
    assert "cannot listen on 192.0.2.1" in result.err


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("x" * 300, "is not an address or the name of a host"),
        ("a..b", "is not an address or the name of a host"),
        ("127.0.0.1:80", "--host: no address of `127.0.0.1:80` is known"),
        ("", "is not an address or the name of a host"),
        ("[]", "is not an address or the name of a host"),
    ],
)
def test_a_host_that_is_none_is_refused(host: str, message: str) -> None:
    result = anetc("preview", NETWORK, "--host", host, "--port", 0)
    assert result.code == 2
    assert result.err.startswith("anetc: --host: ")
    assert message in result.err


@pytest.mark.parametrize("host", ["LOCALHOST", "127.0.0.1", " 127.0.0.1 "])
def test_loopback_addresses_are_recognised(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    serving.serve({"": FakeSource()}, lines.append, host=host, port=0)
    (line,) = lines
    assert line.startswith(f"serving http://{host.strip().lower()}:")


def test_ipv6_with_and_without_brackets(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as trial:
        try:
            trial.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    for host in ("::1", "[::1]"):
        with served("preview", NETWORK, "--host", host, address=r"\[::1\]") as server:
            assert get(server.url, "/")[0] == 200
            assert get(server.url, "/", "elsewhere.example")[0] == 400


def test_an_address_that_others_reach_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    serving.serve({"": FakeSource()}, lines.append, host="0.0.0.0", port=0)
    assert lines[0].startswith("warning: everyone who can reach 0.0.0.0:")


def test_missing_packages_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uvicorn", "anetdsl.web.serving"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    result = anetc("preview", NETWORK)
    assert (result.code, result.err) == (
        2,
        "anetc: the pages need uvicorn; install it with: pip install 'anetdsl[web]'\n",
    )


@pytest.mark.parametrize("name", ["-", "missing.anet"])
def test_a_preview_needs_a_file(name: str) -> None:
    result = anetc("preview", name)
    assert (result.code, result.err) == (
        2,
        f"anetc: {name}: a preview needs a file that it can follow\n",
    )


def test_a_listening_failure_names_the_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_TRIED_PORTS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(serving, "PORT", taken.getsockname()[1])
        with pytest.raises(CannotRun, match="try --port 0"):
            serving.serve({"": FakeSource()}, print)
