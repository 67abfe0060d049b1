"""The preview of a text: findings, picture and costs follow the file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from anetdsl.api import load
from anetdsl.cost import cost
from anetdsl.report.pictures import Renderer, find_renderer
from anetdsl.web.live_source import LatestContent, LiveContent
from anetdsl.web.preview import Clip, PreviewSource
from tests.documents import REPOSITORY

NETWORK = REPOSITORY / "examples" / "small_two_stream_fully.anet"
CLIP = Clip(16, (32, 32))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.anet"
    path.write_text(NETWORK.read_text())
    return path


def source_of(path: Path) -> PreviewSource:
    return PreviewSource(path, find_renderer(), CLIP)


def anchors(content: LiveContent) -> list[str]:
    return [section.anchor for section in content.sections]


def part(content: LiveContent, anchor: str) -> str:
    section = content.section(anchor)
    assert section is not None
    return section.content


def test_a_text_without_findings(model: Path) -> None:
    content = source_of(model).content()
    assert content.title == "Preview of model.anet"
    assert "The text has no findings." in content.lead
    assert anchors(content) == ["picture", "cost"]
    assert "data:image/svg+xml;base64," in part(content, "picture")
    counted = cost(load(NETWORK), frames=16, size=(32, 32))
    assert f"<dd>{counted.parameters:,}<small>" in part(content, "cost")
    for node in counted.nodes:
        assert f"<td>{node.name}<td>" in part(content, "cost")


def test_a_text_with_an_error_keeps_the_last_picture(model: Path) -> None:
    latest = LatestContent(source_of(model))
    before = part(latest.get(), "picture")
    text = model.read_text()
    model.write_text(text.replace("level=1", "levle=1", 1))
    content = latest.get()
    assert anchors(content) == ["findings", "picture"]
    assert "The text has 1 error" in content.lead
    findings = part(content, "findings")
    assert "levle=1" in findings
    assert "did you mean" in findings
    assert "<details><summary>" in findings
    assert "The last version without errors:" in part(content, "picture")
    assert before in part(content, "picture")
    model.write_text(text)
    assert part(latest.get(), "picture") == before


def test_a_file_that_is_gone_is_named_and_comes_back(model: Path) -> None:
    latest = LatestContent(source_of(model))
    latest.get()
    text = model.read_text()
    model.unlink()
    content = latest.get()
    assert f"{model}: " in content.lead
    assert anchors(content) == ["picture"]
    model.write_text(text)
    assert anchors(latest.get()) == ["picture", "cost"]


def test_a_file_that_cannot_be_read_without_waiting_is_named(model: Path) -> None:
    latest = LatestContent(source_of(model))
    latest.get()
    model.unlink()
    os.mkfifo(model)
    assert f"{model}: this is not a regular file" in latest.get().lead


def test_a_version_with_the_time_and_size_of_the_last_is_new(model: Path) -> None:
    source = source_of(model)
    before, status = source.token(), model.stat()
    time.sleep(0.02)  # the clock of a file system has steps
    model.write_text(model.read_text().replace("small_", "large_", 1))
    os.utime(model, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert model.stat().st_size == status.st_size
    assert source.token() != before


def test_a_new_picture_is_drawn_only_for_another_network(model: Path) -> None:
    source = source_of(model)
    before = source.content()
    model.write_text("# a comment\n" + model.read_text())
    after = source.content()
    assert before.digests == after.digests


def test_a_missing_renderer_is_named(model: Path) -> None:
    source = PreviewSource(model, Renderer(None, "there is no dot"), CLIP)
    assert "No picture: there is no dot" in part(source.content(), "picture")


def test_a_clip_that_is_too_small_is_named(model: Path) -> None:
    source = PreviewSource(model, Renderer(None), Clip(1, (1, 1), 7))
    assert "<dt>classes</dt><dd>7</dd>" in part(source.content(), "cost")
