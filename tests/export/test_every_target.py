"""Every kind of artifact computes the reference logits, for random networks and the authors'.

The random networks have all levels and strides, odd sizes, single inputs, many sink inputs, both
heads and random statistics. They are written as by `anetc compile` and loaded as by `anetc run`.
The quick suite runs a sample.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

import anetc
import anetdsl
from anetc.export.about import About, Axis, DType
from anetc.export.load import load_artifact
from anetc.export.write import file_names, write_artifact
from anetc.plan.lower import lower
from anetc.plan.passes import optimise
from anetc.weights import authors
from tests.export.test_artifacts import needs
from tests.modules.test_authors import TINY, inputs_of, load, network_of
from tests.plan.cases import (
    ONE_CHANNEL,
    Case,
    case,
    cases,
    is_close,
    leave_nan_in_freed_memory,
    relative_error,
)

TOLERANCE: dict[DType, float] = {"float32": 1e-5, "bfloat16": 2e-2}
CHEAP = ["module", "python", "torchscript"]


def logits_of(
    kind: str, example: Case, dtype: DType = "float32", dynamic: tuple[Axis, ...] = ()
) -> Tensor:
    """Write an artifact, load it and return its logits."""
    batch = len(next(iter(example.inputs.values())))
    about = About(
        kind,  # type: ignore[arg-type]
        str(example.network),
        batch,
        example.frames,
        *example.size,
        dynamic=dynamic,
        dtype=dtype,
        trained=True,
    )
    plan = optimise(lower(example.network, frames=example.frames, size=example.size))
    with tempfile.TemporaryDirectory() as folder:
        write_artifact(example.model, plan, about, Path(folder))
        artifact = load_artifact(Path(folder) / file_names(about)[0], trust=True)
        logits: Tensor = artifact(example.inputs)
    return logits


def check(
    kind: str, example: Case, dtype: DType = "float32", dynamic: tuple[Axis, ...] = ()
) -> None:
    logits = logits_of(kind, example, dtype, dynamic)
    assert is_close(logits, example, TOLERANCE[dtype], getattr(torch, dtype))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", CHEAP)
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(example=cases())
def test_sample_of_random_networks(kind: str, dtype: DType, example: Case) -> None:
    check(kind, example, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", CHEAP)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(example=cases())
def test_random_networks(kind: str, dtype: DType, example: Case) -> None:
    check(kind, example, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pt2", "onnx"])
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(example=cases())
def test_random_networks_exported(kind: str, example: Case) -> None:
    """The export of one network takes seconds."""
    needs(kind)
    check(kind, example)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(example=cases(), dynamic=st.booleans())
def test_random_networks_compiled(example: Case, dynamic: bool) -> None:
    """The compilation of one network takes ten seconds."""
    assume(not dynamic or min(example.size) > 1)  # PyTorch cannot export those
    check("aoti", example, dynamic=("batch", "frames") if dynamic else ())


@pytest.mark.parametrize("kind", CHEAP)
def test_one_channel_and_one_frame_in_bfloat16(kind: str) -> None:
    """oneDNN's 3x3x3 convolution would read uninitialised memory, here freed memory with NaN."""
    example = case(anetdsl.parse(ONE_CHANNEL), frames=1, size=(8, 6))
    for _ in range(3):
        leave_nan_in_freed_memory()
        check(kind, example, "bfloat16")


@pytest.fixture(scope="module")
def authors_case() -> Case:
    """The authors' golden network, with their weights and their clip."""
    golden = load(TINY)
    network = network_of(golden, "mean")
    model = anetc.build_network(network).eval()
    authors.load_authors_weights(model, TINY)
    return Case(network, model, inputs_of(golden))


KINDS = [
    *CHEAP,
    "pt2",
    pytest.param("onnx", marks=pytest.mark.slow),
    pytest.param("aoti", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_authors_network(kind: str, dtype: DType, authors_case: Case) -> None:
    needs(kind)
    if kind == "aoti" and not shutil.which("g++"):
        pytest.skip("needs a C++ compiler")
    if (kind, dtype) == ("onnx", "bfloat16"):
        pytest.skip("ONNX Runtime has no convolutions in bfloat16")
    with torch.no_grad():
        expected = authors_case.model(authors_case.inputs)
    assert relative_error(logits_of(kind, authors_case, dtype), expected) < TOLERANCE[dtype]
