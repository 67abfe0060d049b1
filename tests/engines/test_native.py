"""The native kernels: convolutions, statistics, threads, compilation, and the way without them."""

from __future__ import annotations

import copy
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from anetc.engines.training import TrainingModule
from anetc.engines.training.native_program import INSTRUCTION_SIZE, Writer
from anetc.modules.network import InputError
from anetc.native import library as native
from anetc.native.library import NativeLibrary, NoNativeKernels
from tests.engines.test_training import loss_of
from tests.plan.cases import EVERY_PASS, case

COMPILER = Path(native.__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kernels() -> NativeLibrary:
    """Return the library, or skip the test with the reason why there is none."""
    try:
        return native.library()
    except NoNativeKernels as reason:
        pytest.skip(str(reason))


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def run(
    kernels: NativeLibrary,
    operation: str,
    tensors: Sequence[Tensor | None],
    arguments: Sequence[int],
    *,
    threads: int = 1,
    settings: tuple[float, float, float] = (1e-5, 0.1, 1),
) -> None:
    """Run one instruction on these tensors."""
    writer = Writer()
    given = [x for x in tensors if x is not None]
    numbers = iter(writer.buffer("given", str(i), x.numel()) for i, x in enumerate(given))
    writer.write(operation, [None if x is None else next(numbers) for x in tensors], arguments)
    program = writer.program(given[0].itemsize)
    addresses = np.array([x.data_ptr() for x in given], np.int64)
    norms = np.array(settings, np.float64)
    function = kernels.run_float if given[0].dtype == torch.float32 else kernels.run_double
    function(program.instructions.ctypes.data, 1, addresses.ctypes.data, norms.ctypes.data, threads)


# Axes: sizes of the input, kernel, stride and dilation.
GEOMETRIES = {
    "pointwise": ((5, 6), (1, 1), (1, 1), (1, 1)),
    "strided": ((5, 6), (1, 1), (2, 2), (1, 1)),
    "spatial": ((9, 8), (3, 3), (1, 1), (1, 1)),
    "one cell": ((1, 1), (3, 3), (1, 1), (1, 1)),
    "strided spatial": ((7, 8), (3, 3), (2, 2), (1, 1)),
    "strided one cell": ((1, 1), (3, 3), (2, 2), (1, 1)),
    "a last cell that no window reads": ((6, 9), (3, 3), (3, 3), (1, 1)),
    "cells between the windows": ((9, 8), (3, 3), (4, 5), (1, 1)),
    "stem": ((12, 15), (7, 7), (2, 2), (1, 1)),
    "temporal": ((8, 10), (3, 1), (1, 1), (2, 1)),
    "beyond the clip": ((4, 9), (5, 1), (1, 1), (3, 1)),
}
CHANNELS = [(1, 1), (3, 4), (4, 8), (8, 12), (20, 27), (33, 64), (64, 130)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_convolutions_equal_the_library(
    kernels: NativeLibrary, name: str, dtype: torch.dtype
) -> None:
    """All widths of vectors, tails of channels and edges of maps have the right results."""
    (height, width), kernel, stride, dilation = GEOMETRIES[name]
    close = {"rtol": 1e-4, "atol": 1e-3} if dtype == torch.float32 else {}
    for into, out in CHANNELS:
        x = drawn(7, height, width, into, dtype=dtype)
        weight = drawn(out, *kernel, into, seed=1, dtype=dtype)
        seen = x.double().permute(0, 3, 1, 2).clone().requires_grad_()
        leaf = weight.double().permute(0, 3, 1, 2).clone().requires_grad_()
        padding = tuple(size // 2 * d for size, d in zip(kernel, dilation))
        expected = torch.nn.functional.conv2d(seen, leaf, None, stride, padding, dilation)
        grad = drawn(*expected.permute(0, 2, 3, 1).shape, seed=2, dtype=dtype)
        expected.backward(grad.double().permute(0, 3, 1, 2))
        assert seen.grad is not None
        assert leaf.grad is not None
        sizes = (7, height, width, into, out, *kernel, *stride, *dilation)
        scratch = torch.empty_like(weight)

        def equal(got: Tensor, expected: Tensor, close: dict[str, float] = close) -> None:
            torch.testing.assert_close(got, expected.permute(0, 2, 3, 1).to(got.dtype), **close)

        for threads in (1, 2):
            y, summand = torch.full_like(grad, torch.nan), drawn(*grad.shape, seed=3, dtype=dtype)
            run(kernels, "convolve", (x, weight, y, None, scratch), sizes, threads=threads)
            equal(y, expected.detach())
            run(kernels, "convolve", (x, weight, y, summand, scratch), sizes, threads=threads)
            equal(y - summand, expected.detach())
            dx = torch.full_like(x, torch.nan)
            run(kernels, "input_gradient", (grad, weight, dx, None, scratch), sizes)
            equal(dx, seen.grad)
            dx.copy_(x)
            run(kernels, "input_gradient", (grad, weight, dx, dx, scratch), sizes, threads=threads)
            equal(dx - x, seen.grad)
            dw = torch.full_like(weight, torch.nan)
            run(kernels, "weight_gradient", (grad, x, dw, scratch), sizes, threads=threads)
            equal(dw, leaf.grad)


def test_convolutions_of_no_clips(kernels: NativeLibrary) -> None:
    """An empty batch has no result, and its gradient of the weights is 0."""
    x, grad, weight = torch.empty(0, 1, 5, 3), torch.empty(0, 1, 5, 4), drawn(4, 3, 3, 3).float()
    sizes, scratch = (0, 1, 5, 3, 4, 3, 3, 1, 1, 1, 1), torch.empty_like(weight)
    run(kernels, "convolve", (x, weight, grad, None, scratch), sizes)
    run(kernels, "input_gradient", (grad, weight, x, None, scratch), sizes)
    dw = torch.full_like(weight, torch.nan)
    run(kernels, "weight_gradient", (grad, x, dw, scratch), sizes)
    assert not dw.any()


@pytest.mark.parametrize("channels", [1, 3, 4, 12, 27, 64, 100])
@pytest.mark.parametrize("rows", [2, 7, 1000])
def test_statistics_are_exact_far_from_zero(
    kernels: NativeLibrary, channels: int, rows: int
) -> None:
    """In single precision, the square of the mean is 1e8 times the variance."""
    x = (drawn(rows, channels) + 1e4).float()
    mean, variance = torch.empty(channels), torch.empty(channels)
    average, spread = torch.zeros(channels), torch.ones(channels)
    run(kernels, "statistics", (x, mean, variance, average, spread), (rows, channels, 0, 1))
    exact = x.double()
    torch.testing.assert_close(mean, exact.mean(0).float())
    torch.testing.assert_close(variance, exact.var(0, correction=0).float(), rtol=1e-4, atol=0)
    torch.testing.assert_close(average, 0.1 * exact.mean(0).float())
    expected = 0.9 + 0.1 * exact.var(0).float()
    torch.testing.assert_close(spread, expected, rtol=1e-5, atol=0)


def test_all_nodes_run_natively(kernels: NativeLibrary) -> None:
    """No operation of the training plans lacks a kernel."""
    example = case(EVERY_PASS, batch=2)
    module = TrainingModule(example.model)
    module(example.inputs)
    for size, nodes in module._plans.items():
        assert list(module._native[size]) == [node.node for node in nodes]


def test_threads_do_not_change_a_bit(kernels: NativeLibrary) -> None:
    """The order of all additions is fixed."""
    example = case(EVERY_PASS, batch=6, frames=8, size=(48, 40))
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            module = TrainingModule(copy.deepcopy(example.model)).train()
            logits = module(example.inputs)
            torch.set_num_threads(1)  # the sink is PyTorch's
            logits.square().sum().backward()
        finally:
            torch.set_num_threads(1)
        results.append([logits, *(p.grad for p in module.parameters()), *module.buffers()])
    for result in results[1:]:
        for one, other in zip(results[0], result):
            assert (one is None and other is None) or torch.equal(one, other)


def test_frozen_parameters_get_no_gradient(kernels: NativeLibrary) -> None:
    """The gradients of the others do not change."""
    example = case(EVERY_PASS, batch=2)
    whole, part = (TrainingModule(copy.deepcopy(example.model)).train() for _ in range(2))
    frozen = ("conv2", "bn.bias", "fuse.w")
    for name, parameter in part.named_parameters():
        parameter.requires_grad_(not any(word in name for word in frozen))
    for module in (whole, part):
        loss_of(module, example.inputs).backward()
    for (name, expected), got in zip(whole.named_parameters(), part.parameters()):
        if any(word in name for word in frozen):
            assert got.grad is None
        elif expected.grad is not None:
            assert got.grad is not None
            torch.testing.assert_close(got.grad, expected.grad, rtol=1e-6, atol=1e-8)


def test_numbers_that_are_not_finite_reach_the_logits(kernels: NativeLibrary) -> None:
    """A training that diverges is not hidden by a ReLU or a maximum."""
    example = case(EVERY_PASS, batch=2)
    module = TrainingModule(example.model).eval()
    inputs = {name: x.clone() for name, x in example.inputs.items()}
    inputs["rgb"][0, 0, 0, 5, 5] = torch.nan
    logits = module(inputs)
    assert logits[0].isnan().all()
    assert logits[1].isfinite().all()


@pytest.mark.parametrize("changed", ["a type", "a size"])
def test_tensors_that_the_kernels_cannot_read(kernels: NativeLibrary, changed: str) -> None:
    """The kernels do not check sizes and types; PyTorch's operations refuse these."""
    example = case(EVERY_PASS, batch=2)
    module = TrainingModule(example.model).train()
    module(example.inputs)
    if changed == "a type":
        norm = module.get_submodule("nodes.s0.conv_bn")
        norm.running_mean = norm.running_mean.double()
    else:
        conv = module.get_submodule("nodes.s0.conv")
        conv.weight = torch.nn.Parameter(conv.weight[:, :1].detach().clone())
    with pytest.raises(RuntimeError):
        module(example.inputs)


@pytest.mark.parametrize("native", [True, False])
def test_a_batch_without_clips(kernels: NativeLibrary, native: bool) -> None:
    """It would make the running averages NaN."""
    example = case(EVERY_PASS)
    module = TrainingModule(example.model, native=native).train()
    with pytest.raises(InputError, match="at least one clip"):
        module({name: x[:0] for name, x in example.inputs.items()})


def test_copies_share_the_library(kernels: NativeLibrary) -> None:
    """A module that holds it can be copied."""
    assert copy.deepcopy(kernels) is kernels


# Compilation


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Forget the loaded library, and return the folder of an empty cache."""
    monkeypatch.setattr(native, "_results", {})
    monkeypatch.setenv("ANETDSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def script(folder: Path, text: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo 'source: error: no such header' >&2; exit 1", "compiler cannot compile .*no such"),
        ('for last; do :; done; echo nothing > "$last"', "cannot be loaded"),
    ],
    ids=["the compiler fails", "the result is no library"],
)
def test_a_failed_compilation_is_reported_once(
    fresh: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    text: str,
    message: str,
) -> None:
    """Training then runs without the kernels."""
    monkeypatch.setenv("CXX", script(tmp_path, text))
    caplog.set_level("INFO", "anetc")
    for _ in range(2):
        with pytest.raises(NoNativeKernels, match=message):
            native.library()
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if line.startswith("training without native")]) == 1
    example = case(EVERY_PASS, batch=2)
    module = TrainingModule(example.model)
    loss_of(module, example.inputs).backward()
    assert not any(module._native.values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("no-compiler -m64", "CXX=no-compiler -m64: there is no program no-compiler"),
        ("'", "CXX=': there is no program '"),
    ],
)
def test_a_compiler_that_does_not_exist(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    monkeypatch.setenv("CXX", given)
    with pytest.raises(NoNativeKernels, match=re.escape(message)):
        native.library()
    assert (native.preparation() or "").startswith(message)


def test_a_compiler_with_options(
    kernels: NativeLibrary, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CXX may hold options, as in makefiles; -pthread replaces -fopenmp if that is refused."""
    fake = script(
        tmp_path,
        f'echo "$@" >> {tmp_path}/calls; for last; do :; done\n'
        f'case "$*" in *-fopenmp*) exit 1;; esac; cp {kernels.path} "$last"',
    )
    monkeypatch.setenv("CXX", f"{fake} -m64")
    assert native.library().instruction_size == INSTRUCTION_SIZE
    calls = [line.split() for line in (tmp_path / "calls").read_text().splitlines()]
    assert [call[0] for call in calls] == ["-m64", "-m64"]
    assert ["-pthread" in call for call in calls] == [False, True]


@pytest.mark.slow
def test_threads_without_openmp(
    kernels: NativeLibrary, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same results bit by bit (compiling takes 15 s)."""
    real = native.compiler()[0]
    monkeypatch.setenv(
        "CXX", script(tmp_path, f'case "$*" in *-fopenmp*) exit 1;; esac; exec {real} "$@"')
    )
    without = native.library()
    x, weight = drawn(7, 9, 8, 20, dtype=torch.float32), drawn(27, 3, 3, 20, dtype=torch.float32)
    sizes, scratch = (7, 9, 8, 20, 27, 3, 3, 1, 1, 1, 1), torch.empty_like(weight)
    results = [torch.empty(7, 9, 8, 27) for _ in range(4)]
    for (compiled, threads), y in zip(itertools.product((kernels, without), (1, 3)), results):
        run(compiled, "convolve", (x, weight, y, None, scratch), sizes, threads=threads)
    assert without.version != kernels.version
    assert all(torch.equal(results[0], y) for y in results[1:])


def test_no_compiler(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoNativeKernels, match=r"no C\+\+ compiler was found"):
        native.library()
    assert "no C++ compiler was found" in (native.preparation() or "")


def test_line_about_a_compilation(
    kernels: NativeLibrary, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search prints it while there is no library for the compiler and the processor."""
    fake = script(tmp_path, f'for last; do :; done; cp {kernels.path} "$last"')
    monkeypatch.setenv("CXX", fake)
    assert "compiles the native kernels, once" in (native.preparation() or "")
    assert len(native.library().version) == len(kernels.version) == 24
    assert native.preparation() is None


def test_the_switch(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ANETC_NATIVE=0 turns the kernels off, also after they have been loaded."""
    monkeypatch.setenv(native.SWITCH, "0")
    with pytest.raises(NoNativeKernels, match="ANETC_NATIVE=0"):
        native.library()
    assert native.preparation() is None
    assert not fresh.exists()


def test_two_processes_compile_once(kernels: NativeLibrary, fresh: Path, tmp_path: Path) -> None:
    """The second one waits for the first one, and loads its library."""
    calls = tmp_path / "calls"
    fake = script(
        tmp_path, f'echo x >> {calls}; sleep 0.3; for last; do :; done; cp {kernels.path} "$last"'
    )
    code = "from anetc.native.library import library; print(library().instruction_size)"
    environment = {
        **os.environ,
        "CXX": fake,
        "ANETDSL_CACHE": str(fresh),
        "PYTHONPATH": os.pathsep.join([str(COMPILER), str(COMPILER.parent)]),
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert [int(output) for output in outputs] == [INSTRUCTION_SIZE] * 2
    assert calls.read_text(encoding="utf-8") == "x\n"
