"""A run's metrics as JSON lines, one object a line, in a file that is only ever added to.

Nothing in it depends on time: an interrupted run that went on has the file of one that was not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anetdsl.errors import CannotRun


class Journal:
    """The open file. `close` it, or use it in a `with` statement."""

    def __init__(self, path: Path, *, keep: int = 0) -> None:
        """Open or create `path`; of what is there the first `keep` bytes stay.

        Raises CannotRun where that cannot be done, or the file is shorter than that.
        """
        self.path = path
        try:
            # Not buffered: a line is the system's once it is written, whatever becomes of us.
            self._file = path.open("ab", buffering=0)
            if (size := os.fstat(self._file.fileno()).st_size) < keep:
                self._file.close()
                raise CannotRun(
                    f"{path}: holds {size:,} bytes, but the checkpoint was made when it held "
                    f"{keep:,}: it is not this run's"
                )
            self._file.truncate(keep)
        except OSError as error:
            raise CannotRun(f"{path}: cannot be written: {error.strerror or error}") from None
        self.size = keep
        """Bytes that are written."""

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
