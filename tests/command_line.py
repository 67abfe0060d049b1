"""Run `anetc` in the process of the tests, as the `anetc` script would."""

from __future__ import annotations

import io
import sys
from unittest import mock

import attrs
import pytest

from anetc.cli.main import run


@attrs.frozen
class Result:
    """Exit code and output of a command."""

    code: int
    """Exit code."""
    data: bytes
    """Standard output."""
    err: str
    """Standard error. Bytes that are not UTF-8 become surrogates."""

    @property
    def out(self) -> str:
        """Standard output as text. Bytes that are not UTF-8 become surrogates."""
        return self.data.decode("utf-8", "surrogateescape")


def anetc(*arguments: object, stdin: bytes | str = b"") -> Result:
    """Run `anetc` with these arguments."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    output, errors = io.BytesIO(), io.BytesIO()
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"),
        "stdout": io.TextIOWrapper(output, encoding="utf-8"),
        "stderr": io.TextIOWrapper(errors, encoding="utf-8"),
        "argv": ["anetc", *map(str, arguments)],
    }
    with mock.patch.multiple(sys, **streams), pytest.raises(SystemExit) as stopped:
        run()
    for name in ("stdout", "stderr"):
        streams[name].flush()
    code = stopped.value.code
    assert isinstance(code, int)
    return Result(code, output.getvalue(), errors.getvalue().decode("utf-8", "surrogateescape"))
