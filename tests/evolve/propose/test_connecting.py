"""Networks with all possible edges, and `anetc connect`."""

from __future__ import annotations

from pathlib import Path

import pytest

import anetdsl
from anetdsl.evolve.propose.connecting import (
    ConnectLimits,
    connected,
    connected_text,
    missing_edges,
)
from anetdsl.evolve.propose.draft import possible_edges
from anetdsl.source import SourceFile
from anetdsl.text.formatting import format_source
from tests.command_line import anetc

TEXT = """\
anet 1

network small  D=[4, 4, 4, 4]  modules=[1, 1, 1, 1]

input rgb   channels=3
input flow  channels=2

node s0  level=0  C=4  r=1  stride=4  inputs=[rgb]
node s1  level=0  C=4  r=1  stride=4  inputs=[flow]  # motion
node n2  level=1  C=2  r=1  stride=1  inputs=[s0]
node n3  level=2  C=2  r=1  stride=2  inputs=[s1@0.25, n2@0.75]
node n4  level=3  C=2  r=1  stride=2  inputs=[n3]

sink  inputs=[n4]  classes=3

score top1=50
"""
NETWORK = anetdsl.parse(TEXT)


def test_all_possible_edges_are_added() -> None:
    made = connected(NETWORK)
    inputs = {node.name: [edge.source for edge in node.inputs] for node in made.nodes}
    assert inputs == {
        "s0": ["rgb"],
        "s1": ["flow"],
        "n2": ["s0", "s1"],
        "n3": ["s0", "s1", "n2"],
        "n4": ["s0", "s1", "n2", "n3"],
    }
    assert missing_edges(made) == []
    assert connected(made) is made


def test_the_text_keeps_comments_weights_and_layout() -> None:
    text = connected_text(SourceFile("t", TEXT), NETWORK, connected(NETWORK))
    assert "inputs=[flow]  # motion" in text
    assert "inputs=[s0, s1@0.25, n2@0.75]" in text
    assert "score" not in text
    assert anetdsl.parse(text) == connected(NETWORK)
    assert format_source(SourceFile("t", text)) == text


@pytest.mark.parametrize(
    ("limits", "added"),
    [
        (ConnectLimits(levels=1), [("s1", "n2")]),
        (ConnectLimits(levels=2), [("s1", "n2"), ("s0", "n3"), ("n2", "n4")]),
        (ConnectLimits(max_inputs=2), [("s1", "n2"), ("n2", "n4")]),
        (ConnectLimits(max_inputs=1), []),
    ],
)
def test_limits(limits: ConnectLimits, added: list[tuple[str, str]]) -> None:
    """With a limit of inputs the nearest levels come first."""
    assert missing_edges(NETWORK, limits) == added


def test_new_edges_may_have_a_weight() -> None:
    made = connected(NETWORK, weight=0.5)
    assert [edge.weight for edge in made.node("n3").inputs] == [0.5, 0.25, 0.75]
    assert [edge.weight for edge in made.node("n2").inputs] == [None, 0.5]


def test_examples_are_connected(examples: list[Path]) -> None:
    for path in examples:
        network = anetdsl.load(path)
        made = connected(network)
        source = SourceFile(path.name, path.read_text(encoding="utf-8"))
        assert anetdsl.parse(connected_text(source, network, made)) == made
        inner = sum(len(node.inputs) for node in made.nodes if not node.is_stem)
        assert inner == len(possible_edges(network))


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "a.anet"
    path.write_text(TEXT)
    done = anetc("connect", path, "--all", "--frames", 8, "--size", 32)
    assert (done.code, done.out) == (
        0,
        connected_text(SourceFile("a", TEXT), NETWORK, connected(NETWORK)),
    )
    assert done.err.startswith("5 edges added\nparameters: ")
    again = anetc("connect", path, "--all", "--levels", 1, "-o", tmp_path / "b.anet")
    assert (again.code, again.out) == (0, "")
    assert anetdsl.load(tmp_path / "b.anet") == connected(NETWORK, ConnectLimits(levels=1))
    assert again.err.startswith("1 edge added")


@pytest.mark.parametrize(
    ("text", "options", "code", "message"),
    [
        (TEXT, (), 2, "give --all"),
        (TEXT, ("--all", "--weight", "nan"), 2, "'nan'"),
        (TEXT, ("--all", "--weight", "1"), 2, "not in the range"),
        (TEXT.replace("sink", "snik"), ("--all",), 1, "did you mean `sink`"),
    ],
)
def test_the_command_reports_mistakes(
    tmp_path: Path, text: str, options: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "a.anet").write_text(text)
    done = anetc("connect", tmp_path / "a.anet", *options)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
