"""Output to files and devices, and errors in writing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from tests.cli.conftest import UNTIDY, assert_refused, environment
from tests.command_line import Result, anetc

WRITERS: dict[str, Callable[[object], list[object]]] = {
    "render": lambda path: ["render", "good.anet", "-o", path, "--format", "dot"],
    "export": lambda path: ["export", "good.anet", "-o", path],
    "import": lambda path: ["import", "list.json", "-o", path],
}


@pytest.mark.parametrize("name", WRITERS)
def test_output_to_a_file(folder: Path, name: str) -> None:
    """An existing file is replaced; no other file is left."""
    before = set(folder.iterdir())
    for _ in range(2):
        assert anetc(*WRITERS[name]("out")) == Result(0, b"", "wrote out\n")
        assert anetc(*WRITERS[name]("-")).data == (folder / "out").read_bytes()
    assert set(folder.iterdir()) == {*before, folder / "out"}


@pytest.mark.parametrize("name", WRITERS)
def test_output_that_cannot_be_written(folder: Path, name: str) -> None:
    """A missing folder, the path of a folder, a file as folder, a name that is too long."""
    before = set(folder.iterdir())
    for path in ("missing/out", "empty", "good.anet/out", "x" * 300):
        assert_refused(anetc(*WRITERS[name](path)), path)
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize("name", WRITERS)
def test_output_without_permission(folder: Path, name: str) -> None:
    """A read-only file and a read-only folder."""
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    (folder / "out").write_text("old")
    (folder / "out").chmod(0o444)
    assert_refused(anetc(*WRITERS[name]("out")), "out", "Permission denied")
    assert (folder / "out").read_text() == "old"
    (folder / "empty").chmod(0o555)
    assert_refused(anetc(*WRITERS[name]("empty/out")), "empty/out", "Permission denied")
    assert not any((folder / "empty").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("name", WRITERS)
def test_output_to_devices(folder: Path, name: str) -> None:
    """Devices are written to and not replaced by a file."""
    for device, code in (("/dev/full", 2), ("/dev/null", 0)):
        assert anetc(*WRITERS[name](device)).code == code
        assert Path(device).is_char_device()
        (folder / "link").symlink_to(device)
        assert anetc(*WRITERS[name]("link")).code == code
        (folder / "link").unlink()
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", [*WRITERS, "fmt"])
def test_a_failed_write_leaves_the_old_file(folder: Path, name: str) -> None:
    """A full disk (here: no file may grow) gives exit code 2 and leaves the old file alone."""
    target = folder / ("untidy.anet" if name == "fmt" else "out")
    if name != "fmt":
        target.write_text("old")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    command = ["fmt", "untidy.anet"] if name == "fmt" else WRITERS[name]("out")
    result = subprocess.run(
        ["bash", "-c", 'ulimit -f 0; exec "$@"', "-", sys.executable, "-m", "anetc", *command],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert f"{target.name}: cannot be written: File too large" in result.stderr
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_write_error_halfway_leaves_the_old_file(folder: Path) -> None:

    def half(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    (folder / "out").write_text("old")
    before = set(folder.iterdir())
    with mock.patch.object(Path, "write_bytes", half):
        for name in WRITERS:
            assert_refused(anetc(*WRITERS[name]("out")), "out: cannot be written: No space left")
        assert_refused(anetc("fmt", "untidy.anet"), "untidy.anet: cannot be written: No space left")
    assert (folder / "out").read_text() == "old"
    assert (folder / "untidy.anet").read_text() == UNTIDY
    assert set(folder.iterdir()) == before
