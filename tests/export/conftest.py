"""Fixtures: a small network, random weights for it, and a function that compiles it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
import torch

import anetdsl
from anetc.export.about import About
from anetc.export.compile import CompiledArtifact, compile_artifact
from anetc.modules.initial import randomise
from anetc.modules.network import NetworkModule, build_network
from anetc.weights.files import save_weights
from anetdsl.ir import Network

TINY = """anet 1
network tiny D=[3, 4, 4, 5] modules=[2, 1, 1, 1]
input rgb channels=3
input flow channels=2
node s0 level=0 C=4 r=2 stride=4 inputs=[rgb]
node s1 level=0 C=3 r=1 stride=4 inputs=[flow]
node class level=1 C=1 r=2 stride=1 inputs=[s0, s1@0.75]
node forward level=2 C=1 r=1 stride=2 inputs=[s1, class, s0]
node n3 level=3 C=2 r=1 stride=2 inputs=[class, forward]
node unused level=4 C=2 r=1 stride=2 inputs=[class]
sink inputs=[forward, n3] classes=3 combine=concat
"""
"""It has gates, adapters, pools, both stems, a temporal module and names that Python uses."""


def scrambled(network: Network) -> NetworkModule:
    """Return the network with random weights. Initial weights multiply residual branches by 0."""
    model = build_network(network, seed=1).eval()
    randomise(model, 2)
    return model


@pytest.fixture(scope="session")
def tiny() -> Network:
    return anetdsl.parse(TINY)


@pytest.fixture(scope="session")
def weights(tiny: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(scrambled(tiny), path)
    return path


Compile = Callable[..., CompiledArtifact]


@pytest.fixture
def compiled(tiny: Network, weights: Path, tmp_path: Path) -> Compile:
    """Function that compiles the small network: `compiled("pt2", dtype="bfloat16")`.

    All tests use one cache, so that each artifact is made once. A test that depends on the content
    of the cache needs the fixture `empty_cache`.
    """

    def make(kind: str, *, use_cache: bool = True, **options: object) -> CompiledArtifact:
        about = About(kind, str(tiny), 1, 4, 32, 24, trained=True)  # type: ignore[arg-type]
        about = attrs.evolve(about, **options)
        output = tmp_path / ("out.py" if kind == "python" else "out")
        return compile_artifact(tiny, about, output, weights=weights, use_cache=use_cache)

    return make


@pytest.fixture
def empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for one test. The value is the folder of its artifacts."""
    folder = tmp_path_factory.mktemp("cache") / "cache"
    monkeypatch.setenv("ANETDSL_CACHE", str(folder))
    return folder / "artifacts"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: the networks are too small for two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    patch = pytest.MonkeyPatch()
    patch.setenv("OMP_NUM_THREADS", "1")
    yield
    patch.undo()
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "tiny.anet"
    path.write_text(TINY, encoding="utf-8")
    return path
