"""Time the wait of an editor after a key: change the text of a network of 200 nodes, check it.

The typed character is in the first, the middle or the last node; what follows it must be moved.
Times are those of the processor, so that other work matters less.
"""

from __future__ import annotations

import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from anetdsl.language_server.analysis import analyse
from anetdsl.rendering.lsp import diagnostic_json
from anetdsl.source import SourceFile

PER_LEVEL = 49
LIMIT_S = 0.05
"""Longest time from a key to the findings; a person does not notice less."""


def large_network() -> str:
    """Return the text of a network of 198 nodes with three inputs each."""
    lines = ["anet 1", "network large", "input rgb channels=3", "input flow channels=2"]
    names = ["s0", "s1"]
    for name, source in zip(names, ("rgb", "flow")):
        lines.append(f"node {name}  level=0  C=32  r=4  stride=4  inputs=[{source}]")
    for level in range(1, 5):
        below, names = names, [f"n{level}_{index}" for index in range(PER_LEVEL)]
        for index, name in enumerate(names):
            sources = dict.fromkeys(below[(index + shift) % len(below)] for shift in range(3))
            edges = ", ".join(f"{source}@0.{1 + index % 9}" for source in sources)
            stride = 1 if level == 1 else 2
            lines.append(
                f"node {name}  level={level}  C=16  r=1  stride={stride}  inputs=[{edges}]"
            )
    lines.append(f"sink inputs=[{', '.join(names)}] classes=10")
    return "\n".join(lines) + "\n"


TEXT = large_network()
SOURCE = SourceFile("large.anet", TEXT)


@pytest.mark.benchmark(group="from a key to the findings, 198 nodes", timer=time.process_time)
@pytest.mark.parametrize("node", ["s0", "n2_25", "n4_48", "all anew"])
def test_key(benchmark: BenchmarkFixture, node: str) -> None:
    """One character is typed into the name of a node."""
    before = None if node == "all anew" else analyse(SOURCE)
    place = TEXT.index(f"node {node if before else 's0'}") + 6

    def key() -> int:
        source = SourceFile(SOURCE.name, TEXT[:place] + "x" + TEXT[place:])
        analysis = analyse(source, before=before)
        return len([diagnostic_json(source, finding) for finding in analysis.diagnostics])

    findings = benchmark(key)
    assert findings
    if benchmark.stats is not None and before is not None:
        assert benchmark.stats.stats.median < LIMIT_S
