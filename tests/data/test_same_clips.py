"""`anetc run` gives a network the same clips and flow as a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import anetdsl
from anetc.data.batches.loader import network_inputs, test_batches
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.evaluation.one_video import predict_video
from anetc.video.clips import Recipe
from tests.training.toys import NETWORK


class Recorder(nn.Module):
    """A module that records its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[dict[str, torch.Tensor]] = []

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        self.inputs.append(inputs)
        return torch.zeros(1, 3)


@pytest.mark.parametrize("when", ["centre", "even"])
def test_both_ways_give_the_same_inputs(folder: Path, when: Any) -> None:
    """RGB and flow are bit-identical."""
    network = anetdsl.parse(NETWORK)
    clips = 1 if when == "centre" else 3
    recipe = Recipe(frames=5, size=(16, 16), short_side=24, when=when, clips=clips)
    recorder = Recorder()
    predict_video(network, recorder, folder / "test/run/3.mp4", recipe)
    (batch,) = test_batches(
        open_data(parse_spec(f"folder:{folder}"), "test", recipe, flow=True), batch=1
    )
    expected = network_inputs(network, batch)
    assert len(recorder.inputs) == batch.clips == clips
    for name, tensor in expected.items():
        assert torch.equal(torch.cat([inputs[name] for inputs in recorder.inputs]), tensor)
    assert float(expected["flow"].abs().max()) > 0
