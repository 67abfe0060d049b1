"""Output to files and devices, and what goes wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from tests.cli.conftest import UNTIDY, assert_told, environment
from tests.command_line import Result, anetc

WRITERS: dict[str, Callable[[object], list[object]]] = {
    "render": lambda path: ["render", "good.anet", "-o", path, "--format", "dot"],
    "export": lambda path: ["export", "good.anet", "-o", path],
    "import": lambda path: ["import", "list.json", "-o", path],
}


@pytest.mark.parametrize("name", WRITERS)
def test_output_to_a_file(folder: Path, name: str) -> None:
    """An existing file is replaced; nothing else is left behind."""
    before = set(folder.iterdir())
    for _ in range(2):
        assert anetc(*WRITERS[name]("out")) == Result(0, b"", "wrote out\n")
        assert anetc(*WRITERS[name]("-")).data == (folder / "out").read_bytes()
    assert set(folder.iterdir()) == {*before, folder / "out"}


@pytest.mark.parametrize("name", WRITERS)
def test_output_that_cannot_be_written(folder: Path, name: str) -> None:
    """Into a folder that is missing, in place of a folder, under a name that no file can have."""
    before = set(folder.iterdir())
    for path in ("missing/out", "empty", "good.anet/out", "x" * 300):
        assert_told(anetc(*WRITERS[name](path)), path)
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize("name", WRITERS)
def test_output_that_may_not_be_written(folder: Path, name: str) -> None:
    """A file and a folder that are read-only."""
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    (folder / "out").write_text("old")
    (folder / "out").chmod(0o444)
    assert_told(anetc(*WRITERS[name]("out")), "out", "Permission denied")
    assert (folder / "out").read_text() == "old"
    (folder / "empty").chmod(0o555)
    assert_told(anetc(*WRITERS[name]("empty/out")), "empty/out", "Permission denied")
    assert not any((folder / "empty").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("name", WRITERS)
def test_output_to_devices(folder: Path, name: str) -> None:
    """They are written to, and never replaced by a file."""
    for device, code in (("/dev/full", 2), ("/dev/null", 0)):
        assert anetc(*WRITERS[name](device)).code == code
        assert Path(device).is_char_device()
        (folder / "link").symlink_to(device)
        assert anetc(*WRITERS[name]("link")).code == code
        (folder / "link").unlink()
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", [*WRITERS, "fmt"])
def test_a_failed_write_leaves_the_old_file(folder: Path, name: str) -> None:
    """The disk is full (here: no file may grow): exit 2, the old file, and nothing beside it."""
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


def test_a_failing_disk_in_process(folder: Path) -> None:
    """The same for a disk that fails halfway."""

    def half(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    (folder / "out").write_text("old")
    before = set(folder.iterdir())
    with mock.patch.object(Path, "write_bytes", half):
        for name in WRITERS:
            assert_told(anetc(*WRITERS[name]("out")), "out: cannot be written: No space left")
        assert_told(anetc("fmt", "untidy.anet"), "untidy.anet: cannot be written: No space left")
    assert (folder / "out").read_text() == "old"
    assert (folder / "untidy.anet").read_text() == UNTIDY
    assert set(folder.iterdir()) == before
