"""Run a network on one video and return the most probable classes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anetc.data.batches.loader import object_tensor, scaled
from anetc.data.object_maps.map_files import existing_maps, objects_beside, read_video_maps
from anetc.data.values import object_channels
from anetc.devices import Precision
from anetc.video.clips import Clip, Recipe, sample_clips, to_tensor
from anetc.video.decode import probe
from anetc.video.flow.fields import dequantise, whole_flow
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.ir import Input, Network


@attrs.frozen
class Prediction:
    """Most probable classes of a video, and the time of each stage."""

    classes: tuple[int, ...]
    """Class numbers, in order of falling probability."""
    probabilities: tuple[float, ...]
    """Softmax of the logits (sigmoid, if a video has any number of classes), averaged over the
    clips; in the order of `classes`."""
    clips: int
    """Number of clips."""
    seconds: tuple[tuple[str, float], ...]
    """Pairs of a stage (`decode`, `flow`, `forward`) and its seconds."""


def predict_video(
    network: Network,
    model: nn.Module,
    video: str | Path,
    recipe: Recipe,
    *,
    top: int = 5,
    seed: int = 0,
    device: str = "cpu",
    precision: Precision = "float32",
    multi_label: bool = False,
    objects: Path | None = None,
    objects_fps: float | None = None,
) -> Prediction:
    """Run a network on the clips of a video and average the probabilities (paper A.6).

    Clips and optical flow are computed as in training and evaluation (docs/data.md).

    Args:
        network: Network that `model` computes.
        model: Module that takes inputs by name and returns logits (N, classes). It is moved to
            `device` and switched to inference mode.
        video: Video file.
        recipe: Number, length and size of the clips.
        top: Number of classes to return, at most all.
        seed: Seed of random clips.
        device: Device that computes the flow and the network.
        precision: Precision of the network; flow is always computed in float32.
        multi_label: Whether a video has any number of classes, so that the probabilities are the
            sigmoid of the logits, not their softmax.
        objects: Object maps of the video, an archive or a folder of pictures (docs/data.md); by
            default those beside the video. They are read if the network has an object input.
        objects_fps: Rate of the object maps, if neither their number nor the archive shows it.

    Raises:
        VideoError: The video or its object maps cannot be read.
        CannotRun: The network has an input that a video does not provide, or the object maps are
            missing or do not fit the network.
    """
    check_inputs(network)
    channels = object_channels(network)
    place = None if channels is None else _maps_of(Path(video), objects)
    seconds: dict[str, float] = {}

    def flow(pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
        with _stage(seconds, "flow"):
            return whole_flow(pixels, device)

    needed = any(value.kind == "flow" for value in network.inputs)
    with _stage(seconds, "decode"):
        info, maps = probe(video), None
        if channels is not None and place is not None:
            maps = read_video_maps(place, info, recipe.fps, channels, objects_fps)
        clips = sample_clips(
            info,
            recipe,
            seed=seed,
            sample=Path(video).name,
            flow=flow if needed else None,
            objects=maps,
        )
    seconds["decode"] -= seconds.setdefault("flow", 0.0)
    model = model.to(device).eval()
    kind = torch.device(device).type
    total = torch.zeros(network.sink.classes, dtype=torch.float64)
    for clip in clips:
        with (
            _stage(seconds, "forward"),
            torch.inference_mode(),
            torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            logits = model({value.name: _tensor(value, clip, device) for value in network.inputs})
            own = logits[0].double()
            total += (own.sigmoid() if multi_label else own.softmax(0)).cpu()
    best = (total / len(clips)).topk(min(top, network.sink.classes))
    stages = tuple((name, seconds[name]) for name in ("decode", "flow", "forward"))
    return Prediction(tuple(best.indices.tolist()), tuple(best.values.tolist()), len(clips), stages)


def check_inputs(network: Network) -> None:
    """Raise CannotRun if the network has an input that a video does not provide."""
    for value in network.inputs:
        if value.kind == "object":
            continue
        channels = (2,) if value.kind == "flow" else (1, 3)
        if value.channels not in channels:
            raise CannotRun(
                f"input `{value.name}` of kind `{value.kind}` has {value.channels} channels; "
                "a video provides RGB (3), grey (1) and optical flow (2)"
            )


def _tensor(value: Input, clip: Clip, device: str) -> Tensor:
    """Return the tensor (1, channels, T, H, W) of an input."""
    if value.kind == "flow":
        assert clip.flow is not None
        fields = torch.from_numpy(dequantise(clip.flow).transpose(3, 0, 1, 2).copy())
        return fields[None].to(device)
    if value.kind == "object":
        return _object_input(value, clip, device)
    rgb = to_tensor(clip.pixels).to(device)
    return rgb if value.channels == 3 else rgb.mean(dim=1, keepdim=True)


def _object_input(value: Input, clip: Clip, device: str) -> Tensor:
    assert clip.objects is not None
    maps = torch.from_numpy(clip.objects)[None].to(device)
    if maps.ndim == 5:
        maps = maps.movedim(-1, 1)
    return object_tensor(value, scaled({"object": maps})["object"])


def _maps_of(video: Path, objects: Path | None) -> Path:
    """Return the place of a video's object maps. Raises CannotRun if there are none."""
    if objects is not None:
        if not objects.exists():
            raise cannot_read(objects)
        return objects
    place = objects_beside(video)
    if (found := existing_maps(place)) is None:
        raise CannotRun(
            f"{video}: the network has an object input, but the video has no object maps, "
            f"{place}.npz or pictures in the folder {place}; make them by a segmentation program "
            "(see docs/data.md), name them with --objects, or use a network without object inputs"
        )
    return found


@contextmanager
def _stage(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
