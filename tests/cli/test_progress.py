"""The progress display: lines, a terminal, and no display."""

from __future__ import annotations

import re
import sys

import pytest

from anetc.cli import progress
from anetc.cli.progress import count_progress, open_display, stage_progress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error counts as a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(progress, "is_terminal", lambda _: True)


def view(text: str) -> object:
    return lambda: text


def test_a_line_for_each_new_milestone(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display("search") as display:
        for milestone in (None, 1, 1, 2, None, 2):
            display.update(view("table"), f"milestone {milestone}", milestone)  # type: ignore[arg-type]
        display.message("\x1b[2Jdone")
    captured = capsys.readouterr()
    assert captured.err == "milestone 1\nmilestone 2\n␛[2Jdone\n"
    assert captured.out == ""


def test_counts_are_printed_every_30_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with count_progress("videos", 10) as show:
        for done in range(1, 11):
            now += 12
            show(done)
    assert capsys.readouterr().err.splitlines() == [
        f"videos: {done} of 10" for done in (3, 5, 8, 10)
    ]


def test_stages_are_lines_with_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with stage_progress() as report:
        report("plan", None)
        report("plan", 1.5)
    assert capsys.readouterr().err == "plan                        1.50 s\n"


@pytest.mark.usefixtures("terminal")
def test_a_terminal_has_a_live_view_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display("search", keep=True) as display:
        display.message("a [bold] line")
        display.update(view("the last view"))  # type: ignore[arg-type]
        sys.stdout.write("result\n")
    captured = capsys.readouterr()
    assert re.search(r"a \[bold\] line.*\n.*the last view", captured.err)
    assert captured.out == "result\n"


@pytest.mark.usefixtures("terminal")
def test_a_bar_shows_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bar = progress._Bar("videos", 40, (0, 100.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: 130.0)
    drawn = bar.at(10, "loss 1.5")
    with open_display("", keep=True) as display:
        display.update(drawn)
    assert re.search(r"videos .* 10/40 +loss 1\.5 +1 min 30 s left", capsys.readouterr().err)


@pytest.mark.usefixtures("terminal")
def test_a_quiet_display_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display("search", quiet=True) as display:
        display.update(view("view"), "line", 1)  # type: ignore[arg-type]
        display.message("message")
    assert capsys.readouterr().err == ""
