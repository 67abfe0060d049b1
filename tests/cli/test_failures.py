"""Unexpected errors of a command are reported in one line."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import attrs
import click
import pytest

from anetc.cli import main
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
