"""Running `anetc` in this process, as the `anetc` script would: for tests of the command line."""

from __future__ import annotations

import io
import sys
from unittest import mock

import attrs
import pytest

from anetc.cli.main import run


@attrs.frozen
class Result:
    """What a command left behind. `out` and `err` are decoded with surrogates for stray bytes."""

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        return self.data.decode("utf-8", "surrogateescape")


def anetc(*arguments: object, stdin: bytes | str = b"") -> Result:
    """Run `anetc` with these arguments: the exit code, standard output and standard error."""
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
