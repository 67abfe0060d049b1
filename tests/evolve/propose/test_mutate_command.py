"""`anetc mutate`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anetdsl.api import load, parse
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.mutation import OPERATORS, MutationRequest, children
from anetdsl.source import SourceFile
from tests.command_line import anetc
from tests.strategies import EXAMPLES

TABLE_4 = EXAMPLES[0].parent / "assemblenet.anet"
CHAIN = EXAMPLES[0].parent / "single_stream_rgb.anet"


def test_the_child_is_printed_and_its_operations_on_standard_error() -> None:
    result = anetc("mutate", TABLE_4, "--seed", 5)
    assert result.code == 0
    child = parse(result.out)
    origin = child.origin
    assert origin is not None
    assert (child.name, origin.parent, origin.seed) == ("assemblenet_5_1", "assemblenet", 5)
    assert result.err.splitlines() == [f"assemblenet_5_1: {op}" for op in origin.ops]
    assert origin.ops[0].startswith("edges: kept ")
    assert result.out.startswith("# AssembleNet, the network that the paper's search found")
    assert anetc("mutate", TABLE_4, "--seed", 5) == result
    assert anetc("mutate", "-", "--seed", 5, stdin=TABLE_4.read_bytes()).data == result.data
    assert anetc("mutate", TABLE_4, "--seed", 6).data != result.data


def test_children_are_written_to_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    result = anetc("mutate", TABLE_4, "--count", 12, "-o", folder)
    assert result.code == 0
    files = sorted(folder.iterdir())
    assert sorted(path.stem for path in files) == sorted(f"assemblenet_0_{i}" for i in range(1, 13))
    assert len({canonical_form(load(path)) for path in [*files, TABLE_4]}) == 13
    assert anetc("check", "--search", folder).code == 0
    assert result.err.count("wrote ") == 12
    for path in files:
        origin = load(path).origin
        assert origin is not None
        assert all(f"{path.stem}: {op}\n" in result.out for op in origin.ops)
    first = (folder / "assemblenet_0_1.anet").read_bytes()
    assert anetc("mutate", TABLE_4).data == first


@pytest.mark.parametrize(
    ("names", "starts"),
    [
        ("guided", ["edges:"]),
        ("random", ["edges:"]),
        ("split", ["split"]),
        ("merge", ["merge"]),
        ("resolution", ["r"]),
        ("merge, split,split", ["merge", "split", "split"]),
    ],
)
def test_operators_are_applied_in_the_given_order(names: str, starts: list[str]) -> None:
    result = anetc("mutate", TABLE_4, "--op", names)
    origin = parse(result.out).origin
    assert origin is not None
    done = [op.split()[0] for op in origin.ops]
    assert done[: len(starts)] == starts
    assert done[len(starts) :] in ([], ["repair:"])


def test_the_threshold_decides_which_edges_stay(tmp_path: Path) -> None:
    text = TABLE_4.read_text(encoding="utf-8").replace("inputs=[n4, n5]", "inputs=[n4@0.3, n5@0.6]")
    parent = tmp_path / "p.anet"
    parent.write_text(text, encoding="utf-8")
    low = anetc("mutate", parent, "--op", "guided", "--threshold", 0.2, "--keep-weights")
    assert low.code == 2  # all edges stay: there is no other child
    assert "equal to the parent or another child" in low.err
    high = anetc("mutate", parent, "--op", "guided", "--threshold", 0.55, "--keep-weights")
    child = parse(high.out)
    kept = {(edge.source, edge.weight) for edge in child.node("n7").inputs}
    assert kept & {("n4", 0.3), ("n5", 0.6), ("n5", None)} in ({("n5", 0.6)}, {("n5", None)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--op", "splitt"], "there is no operator `splitt`; did you mean split?"),
        (["--op", ""], "there is no operator ``; there are guided, random, split"),
        (["--op", "merge"], "single_stream_rgb: no two blocks of one level can be merged"),
        (["--count", "3"], "give a folder for the children with -o DIR"),
        (["--count", "0"], "0 is not in the range"),
        (["--threshold", "1"], "1.0 is not in the range"),
        (
            ["--op", "resolution", "--count", "99", "-o", "{folder}"],
            "after 15 children, 200 draws in turn",
        ),
        (["-o", "{file}"], "is a file; give a folder with -o"),
    ],
)
def test_impossible_requests_are_reported(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    given = [part.format(folder=tmp_path / "out", file=file) for part in arguments]
    result = anetc("mutate", CHAIN, *given)
    assert result.code == 2
    assert message in result.err
    assert not result.data
    assert not (tmp_path / "out").exists()


def test_the_message_says_why_an_operator_can_change_nothing(tmp_path: Path) -> None:
    """The network has no block, only a flow stem."""
    parent = tmp_path / "p.anet"
    parent.write_text(
        "anet 1\nnetwork p\ninput flow channels=2\n"
        "node s level=0 C=8 r=1 stride=4 inputs=[flow]\nsink inputs=[s] classes=5\n",
        encoding="utf-8",
    )
    for name, message in (
        ("resolution", "p: no node can have another r: flow stems have no temporal convolution"),
        ("split", "p: no block can be split"),
        ("merge", "p: no two blocks of one level can be merged"),
    ):
        result = anetc("mutate", parent, "--op", name)
        assert (result.code, result.out) == (2, "")
        assert message in result.err


def test_a_parent_must_pass_the_checks_of_the_search(tmp_path: Path) -> None:
    text = TABLE_4.read_text(encoding="utf-8").replace("n12, n13]", "n12]")
    parent = tmp_path / "p.anet"
    parent.write_text(text, encoding="utf-8")
    result = anetc("mutate", parent)
    assert result.code == 1
    assert "error[A601]: `n13` does not reach the sink" in result.err
    assert anetc("mutate", tmp_path / "none.anet").code == 2


def test_a_child_does_not_depend_on_the_count() -> None:
    text = TABLE_4.read_text(encoding="utf-8")
    network = parse(text)
    source = SourceFile("p", text)
    few = children(source, network, MutationRequest(), 9, 3)
    many = children(source, network, MutationRequest(), 9, 8)
    assert many[:3] == few


def test_each_operator_makes_a_child() -> None:
    text = TABLE_4.read_text(encoding="utf-8")
    network = parse(text)
    for name in OPERATORS:
        (child,) = children(SourceFile("p", text), network, MutationRequest((name,)), 0, 1)
        assert canonical_form(parse(child.text)) != canonical_form(network)


def test_the_command_starts_without_torch() -> None:
    code = "import sys; from anetc.cli.main import run\ntry: run()\nfinally: print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "mutate", str(TABLE_4)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not {"torch", "numpy", "graphviz"} & set(done.stdout.rsplit("\n", 2)[-2].split())
