"""The pages of the documentation site: complete, and linked among each other."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.documents import REPOSITORY


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_site", REPOSITORY / "docs/make_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(maker: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    maker.assemble(folder)
    return folder


def test_every_document_has_a_page(maker: ModuleType, pages: Path) -> None:
    for document in (REPOSITORY / "docs").glob("*.md"):
        assert (pages / maker.page_name(f"docs/{document.name}")).is_file(), document.name
    assert (pages / "index.md").read_text().startswith("# AnetDSL\n")
    assert "```python\nimport anetdsl" in (pages / "tour.md").read_text()


def test_every_link_leads_to_a_page(pages: Path) -> None:
    for page in pages.rglob("*.md"):
        text = re.sub(r"(?s)`{3,5}.*?`{3,5}", "", page.read_text())
        for link in re.findall(r"\]\(([^)\s#]+)", text):
            if "://" not in link:
                assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_the_public_names_have_api_pages(maker: ModuleType, pages: Path) -> None:
    names = maker.public_names()
    assert "load" in names["anetdsl.api"]
    assert "train" in names["anetc.api.train"]
    for module, public in names.items():
        text = (pages / "api" / f"{module}.md").read_text()
        for name in public:
            assert f"::: {module}.{name}\n" in text


def test_flags_and_commands_of_the_tests_are_not_shown(pages: Path) -> None:
    for page in pages.glob("*.md"):
        assert not re.search(r"(?m)^```\w+ ", page.read_text()), page.name
        assert "<!-- run:" not in page.read_text(), page.name


def test_a_document_in_no_chapter_is_an_error(
    maker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "NAVIGATION", {"Start": ("README.md",)})
    with pytest.raises(ValueError, match=r"in no chapter of the site: docs/authors\.md"):
        maker.assemble(tmp_path)
