"""Unexpected errors of a command are reported in one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from unittest import mock

import attrs
import click
import pytest

from anetc.cli import main
from anetc.cli.terminated import Terminated
from tests.command_line import Result, anetc


@pytest.fixture
def failing() -> Iterator[mock.Mock]:
    with mock.patch.object(main, "main") as command:
        yield command


def test_an_internal_error_is_reported_without_a_traceback(
    failing: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing.main.side_effect = ZeroDivisionError("\x1b[2Jdivided " * 1000)
    result = anetc("check", "x")
    assert result.code == 2
    assert result.err.startswith("anetc: internal error: ZeroDivisionError: ␛[2Jdivided")
    assert "ANETC_TRACEBACK" in result.err
    assert len(result.err) < 1500
    monkeypatch.setenv("ANETC_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        anetc("check", "x")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.exceptions.Abort()])
def test_an_interrupt_gives_130(failing: mock.Mock, error: BaseException) -> None:
    failing.main.side_effect = error
    result = anetc("check", "x")
    assert (result.code, result.err) == (130, "anetc: interrupted\n")


def test_sigterm_gives_143(failing: mock.Mock) -> None:
    failing.main.side_effect = Terminated()
    assert (result := anetc("check", "x")).code == 143
    assert result.err == "anetc: terminated\n"


def test_an_end_of_file_is_no_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Click takes it for one. A worker process that ends at once causes it."""

    def end(*_: object) -> None:
        raise EOFError("a pipe has ended")

    monkeypatch.setattr(click.Command, "invoke", end)
    result = anetc("check", "x")
    assert result.code == 2
    assert result.err.lstrip().startswith("anetc: internal error: EOFError: a pipe has ended")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left", "a/b"), "a/b: No space left"),
        (OSError(errno.EIO, "I/O error"), "the output cannot be written: I/O error"),
        (OSError("only a text"), "internal error: OSError: only a text"),
    ],
)
def test_errors_of_files_keep_their_text(failing: mock.Mock, error: OSError, message: str) -> None:
    failing.main.side_effect = error
    with mock.patch("anetc.cli.main._drop_output"):
        result = anetc("check", "x")
    assert result.code == 2
    assert result.err.startswith(f"anetc: {message}")


def test_deep_recursion_and_lack_of_memory_are_reported(failing: mock.Mock) -> None:
    failing.main.side_effect = RecursionError("too deep")
    assert anetc("check", "x").err.startswith("anetc: internal error: RecursionError: too deep")
    pytorch = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")
    for error in (MemoryError(), pytorch):
        failing.main.side_effect = error
        assert anetc("check", "x").err == "anetc: there is not enough memory\n"


def test_equal_results_compare_equal() -> None:
    """Tests compare the results of commands."""
    assert attrs.evolve(Result(0, b"x", "")) == Result(0, b"x", "")
