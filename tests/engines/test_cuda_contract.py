"""The engines keep CUDA's contract (`tests.engines.cuda_contract`), and the mode finds breaches."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import anetdsl
from anetc.engines.training import TrainingModule
from tests.engines.cuda_contract import BrokenContract, calls_of
from tests.engines.test_training import loss_of
from tests.plan.cases import EVERY_PASS, case

X = torch.arange(12.0).reshape(1, 2, 2, 3)
STATISTICS = (X.new_zeros(2), X.new_ones(2))

BREACHES: dict[str, tuple[Callable[[], object], str]] = {
    "a value": (lambda: X.sum().item(), "read from the device"),
    "a condition": (lambda: bool(X.sum() > 0), "read from the device"),
    "an index that is a list": (lambda: X[:, [0, 1]], "an index that is a list"),
    "a tensor of a number": (lambda: torch.tensor([3.0]), "made from a Python value"),
    "a mask": (lambda: torch.nonzero(X), "depends on values"),
    "a CPU operation": (
        lambda: torch.ops.mkldnn._convolution_pointwise(
            X, X.new_ones(2, 2, 1, 1), None, [0, 0], [1, 1], [1, 1], 1, "none", [], ""
        ),
        "exists on CPUs only",
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_breach_is_found(name: str) -> None:
    step, reason = BREACHES[name]
    step()  # it works on a CPU
    with pytest.raises(BrokenContract, match=reason):
        calls_of(step)


def test_sums_without_a_weight_are_empty() -> None:
    """CUDA's channels-last kernel returns them so."""
    sizes = []

    def step(weight: Tensor | None) -> None:
        _, *sums = torch.ops.aten.native_batch_norm_backward(
            X, X, weight, None, None, *STATISTICS, True, 0.0, [False, True, True]
        )
        sizes.extend(part.numel() for part in sums)

    assert calls_of(lambda: step(None)) == 1
    calls_of(lambda: step(STATISTICS[1]))
    assert sizes == [0, 0, 2, 2]


@pytest.mark.parametrize("checkpoint", [False, True])
def test_handwritten_gradients_need_no_sums_without_a_weight(checkpoint: bool) -> None:
    """The module for CPUs gives the same gradients where CUDA's kernels run it (float32)."""
    example = case(anetdsl.parse(str(EVERY_PASS)), batch=2, frames=3, size=(20, 24))
    reference, inputs = example.model.train(), example.inputs
    expected = TrainingModule(copy.deepcopy(reference), checkpoint=checkpoint)
    got = TrainingModule(copy.deepcopy(reference), checkpoint=checkpoint)
    loss_of(expected, inputs).backward()
    calls_of(lambda: loss_of(got, inputs).backward(), may_wait=True)
    for (name, before), after in zip(expected.named_parameters(), got.parameters(), strict=True):
        if before.grad is not None:
            assert after.grad is not None, name
            assert torch.equal(after.grad, before.grad), name
