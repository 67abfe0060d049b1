"""The source of a Python artifact: correct for every network, formatted, free of name clashes."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import attrs
import pytest
import torch
from hypothesis import given, settings

import anetdsl
from anetc.engines.accelerator.portable import PortableModule
from anetc.engines.folded import fold_constants
from anetc.export.python.python_source import python_source
from anetc.export.python.python_weights import python_weights
from anetc.plan.lower import lower
from anetc.plan.passes import optimise
from anetdsl.ir import Network, Origin
from tests.conftest import REPOSITORY
from tests.export.conftest import scrambled
from tests.modules.networks import clip
from tests.plan.cases import Case, cases, is_close


def from_source(network: Network, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Return the module that the source defines, with weights."""
    source = ModuleType("source")
    exec(python_source(network, torch.float32), source.__dict__)
    classes = [
        value
        for value in source.__dict__.values()
        if isinstance(value, type) and value.__module__ == "source" and hasattr(value, "dtype")
    ]
    (cls,) = classes
    model: torch.nn.Module = cls()
    model.load_state_dict(weights)
    return model.eval()


@settings(max_examples=25)
@given(cases())
def test_random_networks_compute_the_logits_of_the_reference_module(example: Case) -> None:
    """As source and as the portable module; odd sizes, single inputs, many sink inputs."""
    network = example.network
    plan = optimise(lower(network, frames=example.frames, size=example.size))
    portable = PortableModule(fold_constants(plan, example.state))
    source = from_source(network, python_weights(network, example.state, torch.float32))
    with torch.inference_mode():
        assert is_close(portable(*example.inputs.values()), example, 1e-5)
        assert is_close(source(example.inputs), example, 1e-5)


BLOCKS = {
    "small_two_stream_level4": "Stem TimeConv Block ResidualModule Connection Sink",
    "small_assemblenet_plus": ("Stem TimeConv Block ResidualModule Connection PeerConnection Sink"),
    "small_assemblenet_plus_lite": (
        "LiteStem SameConv TimeConv LiteBlock LiteModule SpaceTimeConv Connection PeerConnection "
        "LiteSink Sink"
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_the_source_has_the_blocks_that_the_network_needs(name: str) -> None:
    text = python_source(anetdsl.load(REPOSITORY / "examples" / f"{name}.anet"), torch.float32)
    _, *classes = re.findall(r"^class (\w+)", text, re.MULTILINE)
    assert sorted(classes) == sorted(BLOCKS[name].split())


def test_the_means_of_peers_are_computed_once_per_level() -> None:
    network = anetdsl.load(REPOSITORY / "examples" / "small_assemblenet_plus.anet")
    text = python_source(network, torch.float32)
    assert re.findall(r"^        peers (.*)", text, re.MULTILINE) == [
        "= [16, 3, 3, 3, 3]",
        "+= [16, 16, 16, 16]",
        "+= [32, 32, 64]",
        "+= [128, 128]",
        "= frame_means([s4, s2, s3, s0, s1])",
        "+= frame_means([n5, n6, n7, n8])",
        "+= frame_means([n9, n10, n11])",
        "+= frame_means([n12, n13])",
    ]


def test_the_source_of_every_example_is_formatted_and_imports_torch_only(
    examples: list[Path], tmp_path: Path
) -> None:
    """The format is the default of ruff and black; ruff finds nothing."""
    for path in examples:
        text = python_source(anetdsl.load(path), torch.float32)
        (tmp_path / f"{path.stem}.py").write_text(text, encoding="utf-8")
        imported = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert {name.partition(".")[0] for name in imported} == {
            "__future__",
            "json",
            "pathlib",
            "torch",
        }
        assert f"#     network {path.stem}" in text
    ruff = shutil.which("ruff") or shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed")
    rules = "E,F,W,I,B,UP,SIM,C4,RUF100"
    for args in (["format", "--diff"], ["check", "--select", rules, "--ignore", "E501,RUF100"]):
        done = subprocess.run(
            [ruff, *args, "--isolated", "--no-cache", str(tmp_path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_code_has_at_most_88_columns(examples: list[Path]) -> None:
    """Except for comments, which hold the network text."""
    for path in examples:
        for line in python_source(anetdsl.load(path), torch.float32).splitlines():
            assert len(line) <= 88 or line.startswith("#"), line


def test_control_characters_of_the_text_are_replaced(tiny: Network) -> None:
    """Python rejects some of them even in comments; others end the line of a comment."""
    ops = ("a\0b", "c\rd", "e\x0cf", "g\u2028h")
    source = python_source(attrs.evolve(tiny, origin=Origin(ops=ops)), torch.float32)
    ast.parse(source)
    (line,) = (line for line in source.split("\n") if "origin" in line)
    assert line.isprintable()
    assert "a\u2400b" in line


def test_names_that_python_or_torch_uses_are_changed(tiny: Network) -> None:
    text = python_source(tiny, torch.bfloat16)
    assert re.search(r"^        self\.class_ = Block\(", text, re.MULTILINE)
    assert "self.forward_ = Block(" in text
    assert "unused" not in text.partition("class Tiny")[2]
    assert "    dtype = torch.bfloat16\n" in text


@pytest.mark.parametrize("name", ["dtype", "__n", "__init", "_n_", "torch", "true"])
def test_nodes_may_have_any_name(name: str) -> None:
    network = anetdsl.parse(
        "anet 1 network n modules=[1, 1, 1, 1] D=[1, 1, 1, 1] input rgb channels=3\n"
        f"node {name} level=0 C=1 r=1 stride=4 inputs=[rgb] sink inputs=[{name}] classes=2"
    )
    weights = python_weights(network, scrambled(network).state_dict(), torch.float32)
    assert from_source(network, weights)(clip(network)).shape[1] == 2


@pytest.mark.parametrize("name", ["_00", "_", "stem", "true", "none", "f", "tensor", "class"])
def test_networks_may_have_any_name(name: str) -> None:
    network = anetdsl.parse(
        f"anet 1 network {name} modules=[1, 1, 1, 1] D=[1, 1, 1, 1] input rgb channels=3\n"
        "node s level=0 C=1 r=1 stride=4 inputs=[rgb] sink inputs=[s] classes=2"
    )
    weights = python_weights(network, scrambled(network).state_dict(), torch.float32)
    assert from_source(network, weights)(clip(network)).shape[1] == 2
