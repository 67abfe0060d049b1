"""What draws a picture, in which order, and what is said when nothing does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anetdsl.drawing import draw, engine, notebook_bundle
from anetdsl.errors import CannotRun
from tests.drawing.networks import ASN50, SMALL, TABLE_4, needs_pure

needs_scripts = pytest.mark.skipif(
    os.name == "nt", reason="stands in for engines with shell scripts"
)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any engine, and the only folder on its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engine, "_pure_of_this_environment", lambda: None)
    return tmp_path


def script(path: Path, body: str = 'printf "%s" "$0 $*"') -> Path:
    """A stand-in for an engine; by default it draws its own command line."""
    path.write_text(f"#!/bin/sh\n/bin/cat >/dev/null\n{body}\n")
    path.chmod(0o755)
    return path


@needs_scripts
def test_engines_are_tried_in_order(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, variable, graphviz-pure, `dot`; for PDF `dot` before graphviz-pure."""
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


def test_where_nothing_draws_the_message_says_what_to_install(bare: Path) -> None:
    """And DOT text is still to be had."""
    with pytest.raises(CannotRun, match=r"install graphviz-pure .* or Graphviz, whose `dot`"):
        draw(SMALL, "svg")
    assert draw(SMALL, "dot").startswith("digraph small {")


def test_an_engine_that_is_named_must_be_there(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other is taken in its stead."""
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
        ("exit 4", "cannot draw: dot: it stopped with code 4"),
        ("exit 0", "cannot draw: dot: it drew nothing"),
    ],
)
def test_the_words_of_a_failing_engine_are_passed_on(bare: Path, body: str, message: str) -> None:
    """In one line, without a traceback."""
    script(bare / "dot", body)
    with pytest.raises(CannotRun) as caught:
        draw(SMALL, "svg")
    assert str(caught.value) == message


@needs_scripts
def test_an_engine_is_stopped_after_a_while(bare: Path) -> None:
    """A network can be too large to lay out."""
    slow = script(bare / "dot", "exec /bin/sleep 60")
    with pytest.raises(CannotRun, match=r"not done after 0\.2 s"):
        engine.run(engine.Engine(slow), "", "svg", time_limit=0.2)


@needs_scripts
def test_a_file_that_is_no_program_is_told(bare: Path) -> None:
    """Such as an engine built for another machine."""
    other = bare / "dot"
    other.write_bytes(b"\x00\x01\x02")
    other.chmod(0o755)
    with pytest.raises(CannotRun, match=r"dot does not run: "):
        draw(SMALL, "svg")


@needs_pure
def test_png_and_pdf_come_from_graphviz_pure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a machine without Graphviz."""
    monkeypatch.setenv("PATH", "")
    assert draw(ASN50, "png", weights=True).startswith(b"\x89PNG\r\n\x1a\n")
    page = draw(ASN50, "pdf", weights=True)
    assert page == draw(ASN50, "pdf", weights=True)
    assert page.startswith(b"%PDF-1.4\n")
    for text in ("n12", "C=256  r=1", "0.99", "400 classes", "sole input, no weight"):
        assert f"<{text.encode('cp1252').hex()}>".encode() in page


@needs_pure
def test_the_pdf_is_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every object is where the table says, and the page's content as long as it says."""
    monkeypatch.setenv("PATH", "")
    page = draw(TABLE_4, "pdf", weights=True)
    start = int(page.split(b"startxref\n")[1].split()[0])
    head, *entries = page[start:].split(b"trailer")[0].splitlines()[1:]
    assert head == b"0 6"
    for number, entry in enumerate(entries[1:], start=1):
        place = int(entry.split()[0])
        assert page[place:].startswith(f"{number} 0 obj\n".encode())
    content = re.search(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", page, re.DOTALL)
    assert content is not None
    assert int(content[1]) == len(content[2])
    used = set(re.findall(rb"(?:^|\s)([a-zA-Z]+)(?=\s|$)", content[2]))
    assert used <= set(b"q Q cm w d RG rg m l c b s S f n BT ET Tf Td Tj".split())
    assert "assemblenet".encode("utf-16-be").hex().encode() in page


@pytest.mark.parametrize("target", ["picture.gif", "picture", "jpeg"])
def test_an_unknown_format_is_told(tmp_path: Path, target: str) -> None:
    """With the ones there are."""
    with pytest.raises(CannotRun, match=r"`svg`, `png`, `pdf`, `dot`"):
        draw(SMALL, tmp_path / target)
    assert not list(tmp_path.iterdir())


@needs_pure
def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ending names the format; a failure leaves the old file."""
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


@needs_pure
def test_a_notebook_shows_the_picture() -> None:
    """And the text beneath, for whoever reads the notebook elsewhere."""
    bundle = SMALL._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml"}
    assert bundle["text/plain"] == str(SMALL)
    assert "<svg" in bundle["image/svg+xml"]


def test_a_notebook_shows_the_text_where_nothing_draws(bare: Path) -> None:
    """A missing engine is no reason for an error in a cell."""
    assert notebook_bundle(SMALL) == {"text/plain": str(SMALL)}


def test_drawing_loads_nothing_heavy() -> None:
    """`anetc render` starts without torch, and needs neither numpy nor the package graphviz."""
    heavy = {"torch", "numpy", "graphviz"}
    code = f"import sys, anetdsl.drawing; print({heavy} & set(sys.modules))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "set()"
