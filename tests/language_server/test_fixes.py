"""Fixes of findings that the language server offers."""

from __future__ import annotations

import pytest

from anetdsl.language_server.quick_fixes import quick_fixes
from anetdsl.source import Span
from anetdsl.text.edits import apply
from tests.language_server.test_answers import LITE, OBJECTS, PEERS, analysed
from tests.mistakes import GOOD, SINK

# Fixes


def fixes(text: str) -> dict[str, str]:
    """Return the texts after all fixes, by title."""
    analysis = analysed(text)
    found = quick_fixes(analysis, Span(0, len(text)))
    return {fix.title: apply(text, fix.edits) for fix in found}


UNREAD = "node b3 level=3 C=512 r=1 stride=2 inputs=[a2]\n"


@pytest.mark.parametrize(
    ("text", "title", "expected"),
    [
        (GOOD.replace("stride=4", "strid=4"), "change to `stride`", GOOD),
        (GOOD.replace("[a3]", "[a33]"), "change to `a3`", GOOD),
        (GOOD.replace(" classes=10", ""), "add `classes=10`", GOOD),
        (GOOD.replace(" inputs=[a4]", ""), "add `inputs=[a4]`", GOOD),
        (
            GOOD.replace("C=512 r=1 stride=2 inputs=[a2]", "r=1 inputs=[a2]"),
            "add `C=256` `stride=2`",
            "",
        ),
        (GOOD + UNREAD, "remove `b3`", GOOD),
        (GOOD + UNREAD, "connect `b3` to `a4`", GOOD.replace("[a3]", "[a3, b3]") + UNREAD),
        (GOOD + UNREAD, "connect `b3` to the sink", GOOD.replace("[a4]", "[a4, b3]") + UNREAD),
        (GOOD.replace("stride=4", "stride=2"), "change to `stride=4`", GOOD),
        (GOOD.replace("[a4]", "[a4, a4]"), "remove the second `a4`", GOOD),
        (GOOD.replace("r=4", "r=4 r=2"), "remove the second `r`", GOOD),
        (GOOD.replace("[a4]", "[a4, a1]"), "set `combine=concat`", ""),
        (GOOD.replace("input rgb", "input x channels=1\ninput rgb"), "remove `x`", GOOD),
        (GOOD.replace("C=256", "C=64"), "allow A602 in this file", ""),
        (
            OBJECTS + "node o level=0 C = 16 r=1 stride=4 inputs=[object]\n",
            "remove `C`",
            OBJECTS + "node o level=0 r=1 stride=4 inputs=[object]\n",
        ),
        (
            OBJECTS + "node o level=0 inputs=[object]\n",
            "add `stride=4`",
            OBJECTS + "node o level=0 stride=4 inputs=[object]\n",
        ),
        (GOOD.replace("demo", "demo attention=pier"), "change to `peer`", ""),
        (GOOD.replace("[a2]", "[a2]  peers=[s0@0.5]"), "remove `peers`", GOOD),
        (
            GOOD.replace("[a2]", "[a2]  peers=[s0@0.5]"),
            "set `attention=peer`",
            GOOD.replace("[a2]", "[a2]  peers=[s0@0.5]").replace("demo", "demo  attention=peer"),
        ),
        (
            PEERS.replace("[a2]", "[a2] peers=[s0@0.5, s0@0.25]") + SINK,
            "remove the second `s0`",
            PEERS.replace("[a2]", "[a2] peers=[s0@0.5]") + SINK,
        ),
        (PEERS.replace("[a2]", "[a2]  peers=[s0]") + SINK, "remove `s0`", PEERS + SINK),
        (LITE.replace("demo blocks=lite", "demo"), "set `blocks=lite`", ""),
        (LITE.replace("=lite", "=light"), "set `blocks=lite`", LITE),
        (LITE.replace("C=[54, 54, 24]", "C=54"), "change to `C=[54, 54, 24]`", LITE),
        (LITE.replace("[a4]", "[a3, a4]"), "read `a4` alone", LITE),
        (LITE.replace("demo", "demo D=[8, 16, 32, 64]"), "remove `D`", LITE),
    ],
)
def test_fixes(text: str, title: str, expected: str) -> None:
    """A fix leads to the expected text, or at least to one without the finding."""
    found = fixes(text)
    assert title in found
    if expected:
        assert found[title] == expected
    else:
        assert not analysed(found[title]).checked.errors


def test_all_nodes_that_nothing_needs_are_removed() -> None:
    chain = UNREAD + "# about b4\nnode b4 level=4 C=512 r=1 stride=2 inputs=[b3]\n"
    assert fixes(GOOD + chain)["remove all 2 nodes that do not reach the sink"] == GOOD
    named = chain.replace("r=1 stride=2 inputs=[b3]", "r=1 stride=2 inputs=[b3] peers=[b3@0.5]")
    assert fixes(GOOD + named)["remove all 2 nodes that do not reach the sink"] == GOOD


def test_connections_that_cause_errors_are_not_offered() -> None:
    """The sink cannot average `b3` and `a4`: they have different widths."""
    found = fixes(GOOD + UNREAD.replace("C=512", "C=500"))
    assert "connect `b3` to the sink" not in found
    assert "connect `b3` to `a4`" in found
