"""A network on a video: decode, optical flow, forward, the best classes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import torch
from torch import Tensor, nn

from anetc.video.clips import Recipe, sample_clips, to_tensor
from anetc.video.flow import clip_flow
from anetdsl.diagnostics import CannotRun
from anetdsl.ir import Input, Network


@attrs.frozen
class Prediction:
    """What a network says of a video: the best classes, and the seconds of each stage."""

    classes: tuple[int, ...]
    """Class numbers, the most probable first."""
    probabilities: tuple[float, ...]
    """Softmax of the logits, averaged over the clips, in the same order."""
    clips: int
    seconds: tuple[tuple[str, float], ...]
    """Pairs of a stage (`decode`, `flow`, `forward`) and its time."""


def predict_video(
    network: Network,
    model: nn.Module,
    video: str | Path,
    recipe: Recipe,
    *,
    top: int = 5,
    seed: int = 0,
    device: str = "cpu",
) -> Prediction:
    """Run a compiled network on clips of a video: logits to probabilities, averaged (paper A.6).

    `model` is put on `device` and into inference mode. Raises VideoError for a video that cannot be
    read, and CannotRun for a network with an input that no video has.
    """
    check_inputs(network)
    seconds: dict[str, float] = {}
    with _stage(seconds, "decode"):
        clips = sample_clips(video, recipe, seed=seed, sample=Path(video).name)
    model = model.to(device).eval()
    total = torch.zeros(network.sink.classes, dtype=torch.float64)
    for clip in clips:
        raw = to_tensor(clip.pixels, raw=True).to(device)
        with _stage(seconds, "flow"):
            flow = clip_flow(raw) if any(v.kind == "flow" for v in network.inputs) else None
        with _stage(seconds, "forward"), torch.inference_mode():
            logits = model({value.name: _tensor(value, raw, flow) for value in network.inputs})
            total += logits[0].double().softmax(0).cpu()
    best = (total / len(clips)).topk(min(top, network.sink.classes))
    return Prediction(
        tuple(best.indices.tolist()),
        tuple(best.values.tolist()),
        len(clips),
        tuple(seconds.items()),
    )


def check_inputs(network: Network) -> None:
    """Raises CannotRun for an input that cannot be made of a video."""
    for value in network.inputs:
        channels = (2,) if value.kind == "flow" else (1, 3)
        if value.channels not in channels:
            raise CannotRun(
                f"input `{value.name}` of kind `{value.kind}` has {value.channels} channels; "
                "a video gives RGB (3), grey (1) and optical flow (2)"
            )


def _tensor(value: Input, raw: Tensor, flow: Tensor | None) -> Tensor:
    """The tensor (1, channels, T, H, W) of an input, of the clip (1, 3, T, H, W) in 0..255."""
    if value.kind == "flow":
        assert flow is not None
        return flow
    rgb = raw / 255
    return rgb if value.channels == 3 else rgb.mean(dim=1, keepdim=True)


@contextmanager
def _stage(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
