"""Write a run's metrics as JSON lines, one object a line, to the end of a file.

No line depends on time: a run that was stopped and resumed has the same file as one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anetc.training.run.records import counted
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically


class Journal:
    """An open file of JSON lines. Call `close`, or use it in a `with` statement."""

    def __init__(self, path: Path, *, keep: int = 0, done: int = 0) -> None:
        """Open or create `path`, and cut it to its first `keep` bytes, those of the first steps.

        Where these bytes are not all there, the whole lines of the first `done` steps are kept, and
        `warning` says so. Raises CannotRun where the file cannot be read or written.
        """
        self.path = path
        self.warning: str | None = None
        """Description of the missing lines; None if no line is missing."""
        try:
            if keep and not _ends_line(path, keep):
                keep = _keep_steps(path, done)
                self.warning = (
                    f"{path}: earlier lines are missing or damaged, so the metrics of some of the "
                    f"first {counted(done, 'step')} are lost; the run goes on from its checkpoint"
                )
            # Unbuffered: a written line survives the end of this process.
            self._file = path.open("ab", buffering=0)
            self._file.truncate(keep)
        except OSError as error:
            raise CannotRun(f"{path}: cannot be written: {error.strerror or error}") from None
        self.size = keep
        """Size of the file in bytes."""

    def write(self, *lines: Mapping[str, Any]) -> None:
        """Add lines. Raises CannotRun where they cannot be written."""
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        try:
            done = 0
            while done < len(data):
                done += self._file.write(data[done:])
        except OSError as error:
            raise CannotRun(f"{self.path}: cannot be written: {error.strerror or error}") from None
        self.size += len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ends_line(path: Path, size: int) -> bool:
    """Return whether the first `size` bytes of a file are there, and end a line."""
    try:
        with path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) == b"\n"
    except FileNotFoundError:
        return False


def _keep_steps(path: Path, done: int) -> int:
    """Keep the whole lines of the first `done` steps in a file, and return its size in bytes."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    data = b"".join(line for line in lines if _is_of_steps(line, done))
    write_atomically(path, data)
    return len(data)


def _is_of_steps(line: bytes, done: int) -> bool:
    try:
        return line.endswith(b"\n") and 0 <= int(json.loads(line)["iteration"]) < done
    except (ValueError, TypeError, LookupError):
        return False
