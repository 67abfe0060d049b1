"""Mistakes that could cause several findings give one finding."""

from __future__ import annotations

import pytest

from anetdsl import check

HEAD = "anet 1\nnetwork demo\n"
INPUT = "input rgb channels=3\n"
STEM = "node s0 level=0 C=4 r=4 stride=4 inputs=[rgb]\n"
NODE = "node a1 level=1 C=8 r=1 stride=1 inputs=[s0]\n"
SINK = "sink inputs=[a1] classes=2\n"
TEXT = HEAD + INPUT + STEM + NODE + SINK


def errors(text: str) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in check(text) if finding.is_error]


def test_text_has_no_errors():
    """The findings below are caused by the mistakes alone."""
    assert not errors(TEXT)


def test_statement_without_attributes_may_precede_another():
    """`score` after an empty `origin` is not taken as a name."""
    assert not errors(TEXT.replace(INPUT, f"origin\nscore\n{INPUT}"))


CASES = [
    # A missing name
    (("node s0 ", "node "), "A104", "expected a name for this node after `node`"),
    (("s0 level=0", "s0 =0"), "A104", "expected the name of an attribute before `=`"),
    (("rgb channels", "channels"), "A104", "expected a name for this input after `input`"),
    (("node s0 level=", "node level s0="), "A401", "`node` has no attribute `s0`"),
    (("node s0", "node s0 s0"), "A104", "expected `=` after `s0`"),
    (("node s0", "node input"), "A106", "`input` is a reserved word"),
    # A missing, doubled or misspelt keyword
    (("sink ", ""), "A203", "the file has no `sink` statement"),
    (("sink ", "  "), "A203", "the file has no `sink` statement"),
    (("network ", ""), "A107", "unknown statement `demo`"),
    (("anet ", ""), "A107", "expected a statement, found `1`"),
    (
        ("demo\n", 'demo\nparent="a" candidate=1 seed=2\n'),
        "A401",
        "`network` has no attribute `parent`",
    ),
    (("node a1", "node node a1"), "A104", "`node` is written twice"),
    (("sink ", "sink sink "), "A104", "`sink` is written twice"),
    (("anet ", "anet anet "), "A104", "`anet` is written twice"),
    (("node s0", "noed s0"), "A107", "unknown statement `noed`"),
    (("sink inputs=", "sink ="), "A104", "expected an attribute such as `name=value`"),
    # A missing space
    (
        ("channels=3\nnode s0", "channels=3node s0"),
        "A103",
        "`3node` is neither a number nor a name",
    ),
    # Attributes of the version
    (("anet 1", "anet 1 C=2"), "A104", "expected the next statement, found `C`"),
    (("anet 1", "anet 1 C=2 r=3"), "A104", "expected the next statement, found `C`"),
    (("anet 1", "anet 1 2"), "A104", "expected the next statement, found `2`"),
]


@pytest.mark.parametrize(("change", "code", "message"), CASES, ids=[c[0][1] for c in CASES])
def test_mistake_gives_one_finding(change, code, message):
    """Hidden definitions and misplaced attributes give no further findings."""
    assert TEXT.count(change[0]) == 1
    ((found_code, found_message),) = errors(TEXT.replace(*change))
    assert found_code == code
    assert found_message.startswith(message)


def test_independent_mistakes_are_all_reported():
    text = TEXT.replace("C=8", "C=8x").replace("r=4", "q=4").replace("classes=2", "classes=0")
    assert [code for code, _ in errors(text)] == ["A401", "A103", "A405"]


def test_nodes_beyond_the_limit_are_not_reported_as_unknown():
    """There is one finding for all nodes beyond 10,000."""
    rows = "".join(f"node n{i} level=1 C=1 r=1 stride=1 inputs=[s0, n{i}]\n" for i in range(10_001))
    codes = {
        code for code, _ in errors(TEXT + rows + "node z level=2 C=1 r=1 stride=1 inputs=[n10000]")
    }
    assert codes == {"A205", "A501"}
