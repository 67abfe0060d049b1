"""The choice of the Graphviz engine, and the messages if there is none or if it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anetdsl.drawing import draw, engine
from anetdsl.errors import CannotRun
from tests.drawing.networks import ASN50, SMALL, needs_pure

needs_scripts = pytest.mark.skipif(os.name == "nt", reason="replaces engines by shell scripts")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Remove all engines. Return the only folder on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engine, "_pure_of_this_environment", lambda: None)
    return tmp_path


def script(path: Path, body: str = 'printf "%s" "$0 $*"') -> Path:
    """Write a script that replaces an engine. By default it outputs its own command line."""
    path.write_text(f"#!/bin/sh\n/bin/cat >/dev/null\n{body}\n")
    path.chmod(0o755)
    return path


@needs_scripts
def test_engines_are_tried_in_order(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, variable, graphviz-pure, `dot` on PATH; graphviz-pure is left out for PDF."""
    others = bare / "others"
    others.mkdir()
    on_path, pure = script(bare / "dot"), script(others / "graphviz-pure")
    named, by_variable = script(others / "named"), script(others / "variable")

    assert engine.find_engine("svg").path == on_path
    monkeypatch.setattr(engine, "_pure_of_this_environment", lambda: pure)
    assert engine.find_engine("svg").path == pure
    assert engine.find_engine("pdf").path == on_path
    monkeypatch.setenv(engine.ENGINE_VARIABLE, str(by_variable))
    assert engine.find_engine("svg").path == by_variable
    assert engine.find_engine("svg", named).path == named
    assert draw(SMALL, "svg", dot=named) == f"{named} -Kdot -Tsvg"
    assert draw(SMALL, "pdf", dot=on_path) == f"{on_path} -Kdot -Tpdf".encode()
    assert draw(SMALL, "png", dot="dot") == f"{on_path} -Kdot -Tpng -Gdpi=144".encode()


def test_without_an_engine_the_message_names_what_to_install(bare: Path) -> None:
    """DOT text needs no engine."""
    with pytest.raises(CannotRun, match=r"install graphviz-pure .*, or install Graphviz and put"):
        draw(SMALL, "svg")
    assert draw(SMALL, "dot").startswith("digraph small {")


def test_pdf_needs_dot(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """graphviz-pure cannot write PDF. The message names Graphviz and other formats."""
    monkeypatch.setattr(engine, "_pure_of_this_environment", lambda: bare / "graphviz-pure")
    message = r"^cannot draw PDF: it needs .*install Graphviz or name `dot` with --dot .*svg or png"
    with pytest.raises(CannotRun, match=message):
        draw(SMALL, "pdf")
    with pytest.raises(CannotRun, match=message):
        draw(SMALL, bare / "picture.pdf")
    assert not list(bare.iterdir())


def test_a_named_engine_must_exist(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other engine replaces it."""
    with pytest.raises(CannotRun, match=r"^cannot draw: there is no program `nowhere`$"):
        draw(SMALL, "svg", dot="nowhere")
    monkeypatch.setenv(engine.ENGINE_VARIABLE, "elsewhere")
    with pytest.raises(CannotRun, match=r"there is no program `elsewhere` \(ANETC_DOT\)$"):
        draw(SMALL, "svg")


@needs_scripts
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo 'Error: out of\n paper' >&2; exit 3", "cannot draw: dot: Error: out of paper"),
        ("exit 4", "cannot draw: dot: exit code 4"),
        ("exit 0", "cannot draw: dot: it wrote nothing"),
    ],
)
def test_the_message_of_a_failing_engine_is_reported(bare: Path, body: str, message: str) -> None:
    """On one line."""
    script(bare / "dot", body)
    with pytest.raises(CannotRun) as caught:
        draw(SMALL, "svg")
    assert str(caught.value) == message


@needs_scripts
def test_a_slow_engine_is_stopped(bare: Path) -> None:
    """A network can be too large for the layout."""
    slow = script(bare / "dot", "exec /bin/sleep 60")
    with pytest.raises(CannotRun, match=r"did not finish within 0\.2 s"):
        engine.run(engine.Engine(slow), "", "svg", time_limit=0.2)


@needs_scripts
def test_a_file_that_is_no_program_is_reported(bare: Path) -> None:
    """For example an engine built for another machine."""
    other = bare / "dot"
    other.write_bytes(b"\x00\x01\x02")
    other.chmod(0o755)
    with pytest.raises(CannotRun, match=r"cannot run .*dot: "):
        draw(SMALL, "svg")


@needs_pure
def test_png_comes_from_graphviz_pure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Graphviz can draw PNG."""
    monkeypatch.setenv("PATH", "")
    assert draw(ASN50, "png", weights=True).startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("target", ["picture.gif", "picture", "jpeg"])
def test_an_unknown_format_is_reported(tmp_path: Path, target: str) -> None:
    """The message lists the known formats."""
    with pytest.raises(CannotRun, match=r"`svg`, `png`, `pdf`, `dot`"):
        draw(SMALL, tmp_path / target)
    assert not list(tmp_path.iterdir())


@needs_pure
def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suffix is the format. A failure leaves the old file unchanged."""
    for name, start in (("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("a.dot", b"digraph")):
        assert draw(SMALL, tmp_path / name) is None
        assert (tmp_path / name).read_bytes().startswith(start)
    before = (tmp_path / "a.svg").read_bytes()
    monkeypatch.setenv(engine.ENGINE_VARIABLE, "nowhere")
    with pytest.raises(CannotRun):
        draw(ASN50, str(tmp_path / "a.svg"))
    assert (tmp_path / "a.svg").read_bytes() == before
    with pytest.raises(CannotRun, match="absent"):
        draw(SMALL, tmp_path / "absent" / "a.dot")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.PNG", "a.dot", "a.svg"]


def test_drawing_loads_nothing_heavy() -> None:
    """Importing the package loads neither torch, numpy nor graphviz."""
    heavy = {"torch", "numpy", "graphviz"}
    code = f"import sys, anetdsl.drawing; print({heavy} & set(sys.modules))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "set()"
