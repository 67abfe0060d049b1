"""docs/search.md: settings with their defaults, and commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from anetc.api import search_settings
from anetdsl.evolve.settings.toml_text import toml_text
from tests.documents import Step, check_options

PAPER = search_settings.preset("paper")
DOCS = Path(__file__).resolve().parents[2] / "docs"


def defaults_of_the_manual(table: str) -> dict[str, str]:
    """Return the defaults in a table of docs/search.md by setting; a row may hold several."""
    text = (DOCS / "search.md").read_text("utf-8")
    (found,) = re.findall(rf"(?m)^\| `\[{re.escape(table)}\]` .*\n\| ---.*\n((?:\|.*\n)+)", text)
    names: dict[str, str] = {}
    for row in found.splitlines():
        cells = [cell.strip() for cell in row.split("|")[1:3]]
        parts = re.findall(r"\[[^\]]*\]|[^,\[\]]+", cells[1].replace("`", ""))
        values = [part.strip() for part in parts if part.strip(" ,")]
        keys = re.findall(r"`([^`]+)`", cells[0])
        names |= dict(zip(keys, values * len(keys) if len(values) == 1 else [*values, ""]))
    return names


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ("search", PAPER.search),
        ("search.space", PAPER.search.space),
        ("search.limits", PAPER.search.limits),
        ("running", PAPER.running),
    ],
)
def test_the_manual_lists_all_settings_with_their_defaults(table: str, value: Any) -> None:
    listed = defaults_of_the_manual(table)
    fields = {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    assert listed.keys() == {name for name, given in fields.items() if not attrs.has(type(given))}
    for name, text in listed.items():
        if name in ("classes", "frames", "size"):  # set from the data
            continue
        if fields[name] is None:
            assert text == "none"
        else:
            written = toml_text({name: fields[name]}).partition(" = ")[2].strip()
            assert text.replace(",", "") == written.replace(",", ""), name


@pytest.mark.parametrize(
    "line",
    re.findall(r"(?m)^ +(?:exec )?(anetc evolve .*)$", (DOCS / "search.md").read_text("utf-8")),
)
def test_the_commands_of_the_manual_have_valid_options(line: str) -> None:
    check_options(Step(0, line, None))
