"""Suggestions, allowed warnings, and the stricter check of a search."""

from __future__ import annotations

import re

import pytest

from anetdsl.checking import check_source
from anetdsl.codes import CODES, WARNINGS
from anetdsl.diagnostics import Severity, did_you_mean
from anetdsl.source import SourceFile
from tests.mistakes import GOOD, STEM, codes_of, findings_in

# Suggestions

TWO_STEMS = STEM + STEM.replace("s0", "s1")
LONG_NAMES = """\
anet 1
network demo
input video channels=3
input videos channels=3
node stream0 level=0 C=32 r=4 stride=4 inputs=[video]
node stream1 level=1 C=128 r=1 stride=1 inputs=[stream0]
node stream2 level=2 C=256 r=1 stride=2 inputs=[stream1]
node stream3 level=3 C=512 r=1 stride=2 inputs=[stream2]
node stream4 level=4 C=512 r=1 stride=2 inputs=[stream3]
sink inputs=[stream4] classes=10
"""


@pytest.mark.parametrize(
    ("old", "new", "suggested"),
    [
        # For a node, only nodes of lower levels are suggested.
        ("inputs=[stream1]", "inputs=[streaml]", {"stream0", "stream1"}),
        ("inputs=[stream1]", "inputs=[stream22]", {"stream0", "stream1"}),
        ("inputs=[stream1]", "inputs=[Stream2]", set()),
        ("inputs=[stream1]", "inputs=[stream33]", {"stream0", "stream1"}),
        ("inputs=[stream0]", "inputs=[Stream1]", set()),
        ("inputs=[stream1]", "inputs=[Stream1]", {"stream1"}),
        # For a stem only inputs are suggested, for a node and the sink only nodes.
        ("inputs=[video]", "inputs=[vidoe]", {"video"}),
        ("inputs=[video]", "inputs=[stream]", set()),
        ("inputs=[stream0]", "inputs=[vido]", set()),
        ("inputs=[stream4]", "inputs=[vido]", set()),
        ("inputs=[stream4]", "inputs=[stream44]", {"stream4"}),
        # Names that the list already has are not suggested.
        ("inputs=[stream1]", "inputs=[stream1, stream0, stream11]", set()),
        ("inputs=[stream2]", "inputs=[stream2, stream22]", {"stream0", "stream1"}),
        # Only attributes of the statement that it does not have yet are suggested.
        ("r=4", "R=4", {"r"}),
        ("r=4", "r=4 R=4", set()),
        ("stride=4", "stride=4 strides=4", set()),
        ("stride=4", "strides=4", {"stride"}),
        ("channels=3", "classes=3", set()),
        ("channels=3", "chanels=3", {"channels"}),
        ("classes=10", "channels=10", set()),
        ("inputs=[video]", "inputs=[video] input=[video]", set()),
        ("inputs=[video]", "input=[video]", {"inputs"}),
        # Choices and keywords.
        ("classes=10", "classes=10 combine=men", {"mean"}),
        ("classes=10", "classes=10 head=maxpol", {"maxpool"}),
        ("classes=10", "classes=10 head=learned", set()),
        ("sink", "sinck", {"sink"}),
        ("node stream2", "layer stream2", set()),
        ("anet 1", "# anetc: allow A608\nanet 1", None),
    ],
)
def test_suggestions_are_valid_at_their_place(
    old: str, new: str, suggested: set[str] | None
) -> None:
    """`suggested` has the allowed suggestions; None stands for the code of any warning."""
    (finding,) = findings_in(LONG_NAMES.replace(old, new, 1))[1]
    found = re.findall(r"did you mean `?(\w+)`?\?", f"{finding.help} {finding.message}")
    if suggested is None:
        assert set(found) <= WARNINGS
        return
    assert set(found) <= suggested
    assert bool(found) == bool(suggested)
    assert (finding.fix is not None) == bool(found)


@pytest.mark.parametrize(
    ("word", "valid", "guess"),
    [
        ("lvel", ["level", "stride"], "level"),
        ("LEVEL", ["level"], "level"),
        ("c", ["C"], "C"),
        ("x", ["C", "r"], None),
        ("a5", ["a1", "a2"], None),
        ("", ["a"], None),
        ("word", [], None),
        ("x" * 100_000, ["x" * 99_999], None),
    ],
)
def test_did_you_mean_finds_typing_errors(word: str, valid: list[str], guess: str | None) -> None:
    assert did_you_mean(word, valid) == guess


# Warnings


def test_allow_comments_turn_warnings_off() -> None:
    text = GOOD.replace("C=256", "C=64")
    assert codes_of(text) == ["A602"]
    for comment in ("# anetc: allow A602", "#anetc:allow A601,A602", "# anetc: allow A602 (why)"):
        assert codes_of(f"{comment}\n{text}") == []
        assert codes_of(f"{text}{comment}") == []
    assert codes_of(f"# as in: anetc: allow A602\n{text}") == ["A602"]


@pytest.mark.parametrize("code", ["A999", "A302", "A60"])
def test_allow_comment_with_another_code_is_a_finding(code: str) -> None:
    """The codes of errors and unknown codes cannot be allowed."""
    source, (finding,) = findings_in(f"# anetc: allow A602, {code}\n{GOOD}")
    assert finding.code == "A607"
    assert source.text[finding.span.start : finding.span.end] == code


def test_some_warnings_are_errors_in_a_search() -> None:
    """These cannot be allowed either."""
    for code, entry in CODES.items():
        if entry.severity is Severity.WARNING and entry.example:
            source = SourceFile("x", entry.example)
            (normal,) = check_source(source).diagnostics
            (strict,) = check_source(
                source, search=True, allow=[code] * entry.for_search
            ).diagnostics
            assert not normal.is_error
            assert strict.is_error == entry.for_search
            assert check_source(source, allow=[code]).diagnostics == ()
