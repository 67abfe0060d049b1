"""`anetc report`."""

from __future__ import annotations

import functools
from pathlib import Path
from xml.etree import ElementTree

import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive import search
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.report.pages import write_report
from tests.command_line import anetc
from tests.evolve.method import COMMAND, run_settings
from tests.report.made_up import made_up_run
from tests.report.reading import read


@pytest.mark.integration
def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = functools.partial(search.drive_run, command=COMMAND)
    monkeypatch.setattr(search, "drive_run", drive)
    monkeypatch.chdir(tmp_path)
    options = ("--data", "motion", "--preset", "small", "--candidates", 4, "--population", 2)
    for seed in (0, 1):
        made = anetc("evolve", *options, "--seed", seed, "--out", f"run{seed}")
        assert made.code == 0, made.err
    result = anetc("report", "run0")
    assert (result.code, result.out, result.err) == (0, "", "wrote run0/report.html\n")
    assert "Search run0" in read(Path("run0/report.html").read_text(encoding="utf-8")).text
    result = anetc("report", "run0", "run1")
    assert (result.code, result.err) == (0, "wrote report.html\n")
    assert "guided (2 runs)" in read(Path("report.html").read_text(encoding="utf-8")).text
    assert anetc("report", "run1", "-o", "x.html").code == 0
    assert Path("x.html").exists()
    for runs, title in ((["run0"], "Fitness over"), (["run0", "run1"], "Mean fitness of")):
        assert anetc("report", *runs, "-o", "curves.svg").code == 0
        picture = ElementTree.fromstring(Path("curves.svg").read_bytes())
        assert (picture[0].text or "").startswith(title)


def test_a_run_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also under another path. Runs that differ in their training are groups of their own."""
    monkeypatch.chdir(tmp_path)
    for name, running in (("one", Running()), ("two", Running(halving=4))):
        search.make_run(RunDir(name), run_settings(running=running))
    Path("link").symlink_to("one")
    for names in (("one", "one"), ("one", "two", "./one/"), ("one", tmp_path / "link")):
        result = anetc("report", *names, "-o", "page.html")
        assert result.code == 2
        assert "is the same run as one; give each run once" in result.err
        assert not Path("page.html").exists()
    assert anetc("report", "one", "two", "-o", "page.html").code == 0
    text = read(Path("page.html").read_text(encoding="utf-8")).text
    assert "guided, halving 1 (1 run), guided, halving 4 (1 run)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing-here",), "nothing-here"),
        ((".",), "search.db"),
        (("run", "-o", "-"), "-o"),
        ((), "Missing argument"),
    ],
)
def test_errors(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = anetc("report", *arguments)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_other_file_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"x\.png: a report must end in \.html, or in \.svg"):
        write_report([made_up_run(candidates=4, population=2)], tmp_path / "x.png")
    assert not list(tmp_path.iterdir())
