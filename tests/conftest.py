"""Fixtures for all tests: golden files, and the shared data beside the repository."""

from __future__ import annotations

import difflib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.browser import Browser, find_chromium, open_browser

REPOSITORY = Path(__file__).resolve().parent.parent
GOLDEN = REPOSITORY / "tests" / "golden"
DATA = REPOSITORY / "tests" / "media"

# Workers may share a core, so there is no deadline. Each run tests the same cases, so that a
# failure can be repeated.
settings.register_profile(
    "anetdsl", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("anetdsl")

# A shell that starts the tests in the background may ignore this signal, also for their processes.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Results must not depend on the library that is faster on this machine.
os.environ.setdefault("ANETC_PRODUCTS", "blas")

# Tests with a cache of their own would compile the native kernels again. Tests of engines use them.
os.environ.setdefault("ANETC_NATIVE", "0")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the golden files from the produced output",
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that compares a text with a file below tests/golden.

    Use: `golden("fmt/table.out.anet", text)`.
    """

    def compare(relative_path: str, text: str) -> None:
        path = GOLDEN / relative_path
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            return
        if not path.exists():
            pytest.fail(f"no golden file {relative_path}; create it with --update-golden")
        expected = path.read_bytes().decode("utf-8", "surrogateescape")
        if text != expected:
            lines = difflib.unified_diff(
                expected.splitlines(), text.splitlines(), relative_path, "produced", lineterm=""
            )
            pytest.fail("\n".join(lines) or "only the line ends differ")

    return compare


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of shared data beside the repository; skip the test if it is missing."""
    path = REPOSITORY.parent / "shared"
    if not path.is_dir():
        pytest.skip("needs the shared data folder beside the repository")
    return path


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start one headless Chromium for all tests of a process; skip them if there is none."""
    if find_chromium() is None:
        pytest.skip("needs Chromium (apt-get install chromium; or name it by ANETDSL_CHROMIUM)")
    with open_browser(tmp_path_factory.mktemp("chromium") / "profile") as opened:
        yield opened


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """Return the browser with an empty page, an empty console and a wide window."""
    chromium.visit("about:blank#start")  # the page of the last test may have lost its server
    chromium.show(1100)
    chromium.console.clear()
    return chromium


@pytest.fixture(scope="session")
def examples() -> list[Path]:
    """Return the paths of all example networks."""
    return sorted((REPOSITORY / "examples").glob("*.anet"))


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests a cache folder of their own, which the processes of pytest-xdist share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    patch = pytest.MonkeyPatch()
    patch.setenv("ANETDSL_CACHE", str(folder / "anetdsl-cache"))
    yield
    patch.undo()
