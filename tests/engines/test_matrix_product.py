"""Products by both libraries, and the choice that is measured once and kept."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from anetc.engines import matrix_product
from anetc.engines.matrix_product import (
    VARIABLE,
    Library,
    add_product,
    measured_speeds,
    product,
    product_library,
    use_product_library,
)
from anetc.engines.training.convs import Geometry, convolve, input_gradient
from anetc.training.run import checkpoint
from anetdsl.errors import CannotRun


@pytest.fixture(autouse=True)
def _own_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have each test begin without a choice, with a cache folder of its own."""
    monkeypatch.setenv("ANETDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(matrix_product, "_used", [])


def measured(monkeypatch: pytest.MonkeyPatch, blas: float, onednn: float) -> None:
    speeds: dict[Library, float] = {"blas": blas, "onednn": onednn}
    monkeypatch.setattr(matrix_product, "measured_speeds", lambda: speeds)


def fail() -> dict[Library, float]:
    raise AssertionError("measured again")


@pytest.mark.parametrize("library", ["blas", "onednn"])
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_libraries_multiply(
    library: Library, transposed: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_product, "MIN_MULTIPLY_ADDS", 0)
    use_product_library(library)
    generator = torch.Generator().manual_seed(0)

    def drawn(name: str, rows: int, columns: int) -> Tensor:
        if name in transposed:
            return torch.randn(columns, rows, generator=generator, dtype=dtype).t()
        return torch.randn(rows, columns, generator=generator, dtype=dtype)

    a, b, total = drawn("a", 37, 24), drawn("b", 24, 18), drawn("", 37, 18)
    expected = (a.double()[:, :, None] * b.double()).sum(1)
    error = 1e-5 if dtype == torch.float32 else 1e-13
    for got, wanted in (
        (product(a, b), expected),
        (product(a, b, total), expected + total),
        (add_product(total.clone(), a, b), expected + total),
    ):
        assert got.dtype == dtype
        assert (got - wanted).abs().max() < error
    same = total.clone()
    assert add_product(same, a, b) is same


@pytest.mark.parametrize(("onednn", "expected"), [(120.0, "onednn"), (104.0, "blas"), (50, "blas")])
def test_choice_is_measured_once_and_kept(
    onednn: float, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measured(monkeypatch, 100.0, onednn)
    assert product_library() == expected
    (file,) = (tmp_path / "cache").iterdir()
    assert json.loads(file.read_text())["torch"] == torch.__version__
    monkeypatch.setattr(matrix_product, "measured_speeds", fail)
    assert product_library() == expected
    matrix_product._used.clear()
    assert product_library() == expected
    monkeypatch.setattr(matrix_product, "describe_processor", lambda: "another")
    matrix_product._used.clear()
    with pytest.raises(AssertionError, match="measured again"):
        product_library()


@pytest.mark.parametrize("damaged", ["", "[", "[]", "{}", '{"library": "x"}', '{"library": []}'])
def test_damaged_record_is_replaced(
    damaged: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measured(monkeypatch, 1.0, 2.0)
    product_library()
    (file,) = (tmp_path / "cache").iterdir()
    good = file.read_text()
    file.write_text(damaged)
    matrix_product._used.clear()
    assert product_library() == "onednn"
    assert file.read_text() == good


def test_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    measured(monkeypatch, 1.0, 2.0)
    assert product_library() == "onednn"


def test_recorded_library_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_product, "measured_speeds", fail)
    use_product_library("onednn")
    assert product_library() == "onednn"
    use_product_library(None)
    use_product_library("another")
    assert product_library() == "onednn"
    monkeypatch.setattr(matrix_product, "_has_onednn", lambda: False)
    use_product_library("blas")
    use_product_library("onednn")
    assert product_library() == "blas"


def test_without_onednn_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_product, "_has_onednn", lambda: False)
    monkeypatch.setattr(matrix_product, "measured_speeds", fail)
    assert product_library() == "blas"


def test_variable_replaces_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_product, "measured_speeds", fail)
    monkeypatch.setenv(VARIABLE, "onednn")
    assert product_library() == "onednn"
    matrix_product._used.clear()
    monkeypatch.setenv(VARIABLE, "cublas")
    with pytest.raises(CannotRun, match="ANETC_PRODUCTS=cublas: write blas or onednn"):
        product_library()


def test_speeds_of_both_libraries_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_product, "_SHAPES", ((64, 32, 16),))
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    speeds = measured_speeds()
    assert set(speeds) == {"blas", "onednn"}
    assert min(speeds.values()) > 0
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("size", [1, 3])
def test_convolutions_of_training_by_both_libraries(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results and gradients on small maps are products; the libraries round differently."""
    monkeypatch.setattr(matrix_product, "MIN_MULTIPLY_ADDS", 0)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 4, 4, 128, generator=generator)
    weight = torch.randn(32, 128, 1, size, size, generator=generator)
    grad, summand = (torch.randn(4, 4, 4, 32, generator=generator) for _ in range(2))
    geometry = Geometry(temporal=False, size=size)
    used: list[str] = []
    linear = matrix_product._ops._linear_pointwise

    def recorded(*arguments: Any) -> Tensor:
        used.append(library)
        return cast(Tensor, linear(*arguments))

    monkeypatch.setattr(matrix_product, "_ops", SimpleNamespace(_linear_pointwise=recorded))
    results: list[list[Tensor]] = []
    for library in ("blas", "onednn"):
        use_product_library(library)
        results.append(
            [
                convolve(x, weight, geometry, 2, summand),
                input_gradient(grad, x, weight, geometry, 2),
                input_gradient(grad, x, weight, geometry, 2, x.clone()),
            ]
        )
    assert used == 3 * ["onednn"]
    for blas, onednn in zip(*results):
        assert (blas - onednn).abs().max() <= 1e-5 * blas.abs().max()


def test_resumed_run_uses_the_library_of_its_checkpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = torch.nn.Linear(2, 2)
    state: Any = SimpleNamespace(model=model, optimiser=None, kernels="none")
    monkeypatch.setattr(checkpoint, "momentum_of", lambda *_: {})
    monkeypatch.setattr(checkpoint, "set_momentum", lambda *_: None)
    before = checkpoint.checkpoint_of(state, 3)
    assert before.products is None
    use_product_library("onednn")
    path = checkpoint.save_checkpoint(tmp_path, checkpoint.checkpoint_of(state, 4))
    use_product_library("blas")
    checkpoint.restore_checkpoint(state, before, tmp_path)
    assert product_library() == "blas"
    checkpoint.restore_checkpoint(state, checkpoint.read_checkpoint(path), tmp_path)
    assert product_library() == "onednn"
