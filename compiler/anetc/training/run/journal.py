"""Write a run's metrics as JSON lines, one object a line, to the end of a file.

No line depends on time: a run that was stopped and resumed has the same file as one that was not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anetdsl.errors import CannotRun


class Journal:
    """An open file of JSON lines. Call `close`, or use it in a `with` statement."""

    def __init__(self, path: Path, *, keep: int = 0) -> None:
        """Open or create `path`, and cut it to its first `keep` bytes.

        Raises CannotRun where the file cannot be written, or is shorter than `keep`.
        """
        self.path = path
        try:
            # Unbuffered: a written line survives the end of this process.
            self._file = path.open("ab", buffering=0)
            if (size := os.fstat(self._file.fileno()).st_size) < keep:
                self._file.close()
                raise CannotRun(
                    f"{path}: holds {size:,} bytes, but held {keep:,} when the checkpoint was "
                    "made: it is not the file of this run"
                )
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
