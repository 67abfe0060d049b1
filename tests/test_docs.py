"""What the documents say is so: examples, outputs, tables and links."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import (
    DOCUMENTS,
    REPOSITORY,
    Session,
    blocks,
    check_anet,
    check_options,
    steps,
)

DOCS = REPOSITORY / "docs"


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


documents = pytest.mark.parametrize("path", DOCUMENTS, ids=named)


@documents
def test_networks_have_exactly_the_findings_that_are_said(path: Path) -> None:
    """And those without any stand in canonical layout."""
    for block in blocks(path):
        if block.language == "anet":
            check_anet(block)


@documents
def test_examples_run_and_print_what_is_shown(path: Path, tmp_path: Path) -> None:
    """Commands and Python, in the order of the document, but for what takes long."""
    session = Session(tmp_path)
    for block in blocks(path):
        if "slow" not in block.flags:
            session.run(block)
