"""Statistics of batch normalisation that are measured again, and `anetc prune --data`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import torch

import anetdsl
from anetc.data.batches.loader import network_inputs, training_batches
from anetc.data.open import open_data
from anetc.data.recipes import recipes_for
from anetc.data.spec import spec_text
from anetc.data.values import DataSpec
from anetc.modules.network import NetworkModule, build_network
from anetc.training.clip_statistics import measure_statistics
from anetc.weights.files import load_weights
from anetdsl.errors import CannotRun
from tests.command_line import anetc
from tests.training.running import TEXT, run

NETWORK = anetdsl.parse(TEXT)
RECIPE = recipes_for(DataSpec("arrays", "x"), 4, (16, 16)).train


def measured(model: NetworkModule, data: DataSpec, clips: int) -> int:
    dataset = open_data(data, "train", RECIPE, flow=True)
    with closing(training_batches(dataset, batch=6, seed=0)) as batches:
        return measure_statistics(model, model.network, batches, clips)


def test_statistics_are_the_averages_over_the_batches(clips: DataSpec) -> None:
    """Compared with the input of a normalisation, computed by a hook; no weight changes."""
    model = build_network(NETWORK)
    before = {name: p.clone() for name, p in model.named_parameters()}
    norm = model.nodes["s0"].conv_bn  # type: ignore[union-attr]
    seen: list[torch.Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _norm, given: seen.append(given[0].clone()))
    assert measured(model, clips, 10) == 12
    hook.remove()
    assert len(seen) == 2
    dims = (0, 2, 3, 4)
    means = torch.stack([x.mean(dims) for x in seen]).mean(0)
    variances = torch.stack([x.var(dims) for x in seen]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert norm.momentum == pytest.approx(0.01)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_pruned_network_recovers(clips: DataSpec, tmp_path: Path) -> None:
    """With measured statistics it computes in inference about what it computes in training mode.

    The weights are of a trained network, and dropping an edge has changed the statistics.
    """
    run(tmp_path / "run", clips)
    options = ("--edges", "4", "-o", tmp_path / "p.anet")
    weights = ("--weights", tmp_path / "run" / "weights.safetensors", "--weights-out")
    model = tmp_path / "run" / "model.anet"
    plain = anetc("prune", model, *options, *weights, tmp_path / "plain.safetensors")
    assert plain.code == 0, plain.err
    assert "--data measures them again" in plain.err
    data = spec_text(clips)
    done = anetc(
        "prune",
        model,
        *options,
        *weights,
        tmp_path / "p.safetensors",
        "--data",
        data,
        "--clips",
        30,
    )
    assert done.code == 0, done.err
    assert "batch normalisation: measured again on 32 training clips" in done.err
    assert (
        f"next: anetc train {tmp_path / 'p.anet'} --data {data} --frames 4 --size 16x16 "
        f"--init-from {tmp_path / 'p.safetensors'} --init-text {tmp_path / 'p.anet'} --out RUN"
    ) in done.err.replace("'", "")

    network = anetdsl.load(tmp_path / "p.anet")
    dataset = open_data(clips, "train", RECIPE, flow=True)
    with closing(training_batches(dataset, batch=18, seed=5)) as batches:
        inputs = network_inputs(network, next(batches))

    def logits(name: str, *, training: bool = False) -> torch.Tensor:
        module = build_network(network)
        load_weights(module, tmp_path / name)
        with torch.no_grad():
            return module.train(training)(inputs)

    target = logits("p.safetensors", training=True)
    error = (logits("p.safetensors") - target).square().mean()
    before = (logits("plain.safetensors") - target).square().mean()
    assert error < before / 2


def test_a_single_value_per_channel_is_refused(clips: DataSpec) -> None:
    model = build_network(NETWORK)
    dataset = open_data(clips, "train", recipes_for(clips, 1, (4, 4)).train, flow=True)
    with (
        closing(training_batches(dataset, batch=1, seed=0)) as batches,
        pytest.raises(CannotRun, match="several clips at a time"),
    ):
        measure_statistics(model, NETWORK, batches, 2)
