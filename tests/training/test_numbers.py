"""Learning rates, losses, optimiser steps and parameter counts, against calculations by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import anetdsl
from anetc.modules.network import build_network
from anetc.training.batch_norm import set_decay
from anetc.training.losses import loss_of
from anetc.training.optimiser import decay_groups, freeze_unread, make_optimiser
from anetc.training.schedule import learning_rate
from anetc.training.settings import TrainSettings, settings_to_json
from anetdsl.errors import CannotRun
from anetdsl.settings_reader import named_values, read_value
from tests.training.running import SOURCE, settings

# The paper's run: 50,000 steps of 32 clips, 12,000 of them warm-up.
PAPER = TrainSettings()


@pytest.mark.parametrize(
    ("iteration", "expected"),
    [
        (0, 0.2 / 12_000),
        (5_999, 0.1),
        (11_999, 0.2),
        (12_000, 0.2),
        (12_000 + 9_500, 0.1 * (1 + math.sqrt(0.5))),
        (31_000, 0.1),
        (49_999, 0.1 * (1 - math.cos(math.pi / 38_000))),
    ],
)
def test_learning_rate_of_the_paper(iteration: int, expected: float) -> None:
    """The maximum is 0.00625 x 32 = 0.2; the middle of the cosine has half of it."""
    assert PAPER.peak_learning_rate == pytest.approx(0.2)
    found = learning_rate(iteration, PAPER.iterations, PAPER.peak_learning_rate, PAPER.warmup)
    assert found == pytest.approx(expected, rel=1e-9)


def test_learning_rate_without_warm_up_and_with_warm_up_alone() -> None:
    assert [learning_rate(i, 4, 1.0, 0.0) for i in range(4)] == pytest.approx(
        [1.0, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125)]
    )
    assert [learning_rate(i, 4, 1.0, 1.0) for i in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert learning_rate(0, 1, 1.0, 0.24) == 1.0


def test_loss_of_single_labels_is_smoothed_cross_entropy() -> None:
    logits = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]])
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    # 1 - 0.2 for the class, and 0.2 / 3 for each of the three.
    wanted = np.array([[0.8, 0, 0], [0, 0, 0.8]]) + 0.2 / 3
    found = loss_of(torch.tensor(logits), torch.tensor([0, 2]), 0.2)
    assert float(found) == pytest.approx(-(wanted * log_p).sum(1).mean(), rel=1e-6)
    plain = loss_of(torch.tensor(logits), torch.tensor([0, 2]), 0.0)
    assert float(plain) == pytest.approx(-(log_p[0, 0] + log_p[1, 2]) / 2, rel=1e-6)


def test_loss_of_several_labels_is_binary_cross_entropy_without_smoothing() -> None:
    logits = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]])
    labels = np.array([[1, 0, 1], [0, 0, 0]])
    p = 1 / (1 + np.exp(-logits))
    by_hand = -np.log(np.where(labels == 1, p, 1 - p)).mean()
    targets = torch.tensor(labels, dtype=torch.float32)
    for smoothing in (0.0, 0.2):
        found = loss_of(torch.tensor(logits).bfloat16(), targets, smoothing)
        assert found.dtype == torch.float32
        assert float(found) == pytest.approx(by_hand, rel=1e-6)


def test_only_kernels_decay() -> None:
    model = build_network(anetdsl.parse(SOURCE.text))
    freeze_unread(model, model.network)
    decaying, others = decay_groups(model)
    assert set(decaying) == {
        "nodes.s0.conv.weight",
        "nodes.s0.tconv.weight",
        "nodes.s1.conv.weight",
        *(f"nodes.n2.m0.{conv}.weight" for conv in ("proj", "conv1", "conv2", "conv3")),
        *(f"nodes.n2.m1.{conv}.weight" for conv in ("tconv", "conv2", "conv3")),
        *(f"nodes.n3.m0.{conv}.weight" for conv in ("proj", "conv1", "conv2", "conv3")),
        "sink.fc.weight",
    }
    assert {"nodes.n2.fuse.w", "sink.fc.bias", "nodes.s0.conv_bn.weight"} < set(others)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert set(decaying) | set(others) == trained
    assert not any(name.startswith("nodes.n4.") for name in trained), "the sink does not read n4"


def test_step_of_momentum_sgd_with_decay() -> None:
    """v = 0.9 v + g + 1e-4 w; w = w - rate v. The bias has no decay."""
    model = nn.Sequential(nn.Linear(1, 1))
    nn.init.constant_(model[0].weight, 3.0)
    nn.init.constant_(model[0].bias, 2.0)
    optimiser = make_optimiser(model, TrainSettings(batch=16))
    w, b, v_w, v_b = 3.0, 2.0, 0.0, 0.0
    for g_w, g_b in ((0.5, -1.0), (0.25, 0.125)):
        model[0].weight.grad = torch.full((1, 1), g_w)
        model[0].bias.grad = torch.full((1,), g_b)
        optimiser.step()
        v_w = 0.9 * v_w + g_w + 1e-4 * w
        v_b = 0.9 * v_b + g_b
        w, b = w - 0.1 * v_w, b - 0.1 * v_b
    assert model[0].weight.item() == pytest.approx(w, rel=1e-6)
    assert model[0].bias.item() == pytest.approx(b, rel=1e-6)


def test_running_averages_of_batch_norm() -> None:
    """Up to 100 batches it is the plain average; then the decay is 0.99, as the authors' is."""
    norm = nn.Sequential(nn.BatchNorm3d(1))
    means = [float(i % 7) for i in range(150)]
    expected = 0.0
    for number, mean in enumerate(means):
        set_decay(norm, number)
        norm(torch.tensor([mean - 1, mean + 1]).view(1, 1, 2, 1, 1))
        share = 1 / (number + 1) if number < 100 else 0.01
        expected += share * (mean - expected)
        if number == 9:
            assert float(norm[0].running_mean) == pytest.approx(sum(means[:10]) / 10, rel=1e-5)
    assert float(norm[0].running_mean) == pytest.approx(expected, rel=1e-5)
    assert norm[0].momentum == pytest.approx(0.01)


def test_parameter_count_of_the_toy_network() -> None:
    """The count is the sum over convolutions, norms (2 C each), edges and the classifier."""
    s0 = 4 * 3 * 49 + 8 + 4 * 4 * 5 + 8
    s1 = 4 * 2 * 49 + 8

    def first(reads: int) -> int:
        return reads * 8 + 16 + reads * 2 + 4 + 2 * 4 * 9 + 8 + 4 * 8 + 16

    second = 8 * 2 * 3 + 4 + 2 * 4 * 9 + 8 + 4 * 8 + 16
    n2 = 2 + first(4) + second
    n4 = 2 + 4 * 8 + first(8)
    by_hand = s0 + s1 + n2 + first(8) + n4 + 8 * 3 + 3
    network = anetdsl.parse(SOURCE.text)
    assert sum(p.numel() for p in build_network(network).parameters()) == by_hand
    assert anetdsl.cost(network, frames=4, size=16).parameters == by_hand


def test_settings_are_written_as_differences_from_the_defaults() -> None:
    given = settings(precision="bfloat16", threads=2)
    document = settings_to_json(given)
    assert "momentum" not in document
    assert read_value(named_values(document, "x"), TrainSettings) == given


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "x: must hold settings by name"),
        ({"iteration": 3}, "did you mean `iterations`"),
        ({"iterations": 0}, "iterations"),
        ({"iterations": 2.5}, "`iterations` must be a whole number, not 2.5"),
        ({"iterations": True}, "`iterations` must be a whole number, not true"),
        ({"batch": "8"}, '`batch` must be a whole number, not "8"'),
        ({"warmup": 1.5}, "warmup"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        (
            {"precision": "float16"},
            '`precision` must be one of "auto", "float32", "bfloat16", "ieee", not "float16"',
        ),
        ({"threads": 0}, "threads"),
    ],
)
def test_invalid_settings(document: object, message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        read_value(named_values(document, "x"), TrainSettings)
