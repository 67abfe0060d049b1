"""The description in an artifact: the network text and the sizes it was compiled for."""

from __future__ import annotations

import json
from typing import Any, Literal, cast, get_args

import attrs

from anetc.weights.trained_on import TrainedOn, trained_on_from_json
from anetdsl.errors import CannotRun

FORMAT_VERSION = 1
PYTHON_MARK = "Written by `anetc compile --emit python`"
Kind = Literal["module", "python", "pt2", "aoti", "torchscript", "onnx"]
Axis = Literal["batch", "frames"]
DType = Literal["float32", "bfloat16"]
Target = Literal["cpu", "cuda"]

ON_GPUS: tuple[Kind, ...] = ("pt2", "aoti")
"""Kinds that can be compiled for NVIDIA GPUs."""
KINDS: tuple[Kind, ...] = get_args(Kind)
DATA_ONLY: tuple[Kind, ...] = ("module", "onnx")
"""Kinds without code. The others contain code, which runs when they are loaded or called."""
ANY_LENGTH: tuple[Kind, ...] = ("module", "python")
"""Kinds that take any batch size and any number of frames."""


@attrs.frozen
class About:
    """Description of an artifact: its kind, network and clip."""

    kind: Kind
    network: str
    """Canonical text of the network."""
    batch: int = 1
    frames: int = 32
    height: int = 224
    width: int = 224
    dynamic: tuple[Axis, ...] = ()
    """Axes of free size. `batch` and `frames` are examples on such axes."""
    dtype: DType = "float32"
    trained: bool = False
    """True if the weights come from a file; otherwise they are drawn from a seed."""
    trained_on: TrainedOn | None = None
    """Classes and clips of the training; None if the weights do not hold them."""
    device: Target = "cpu"
    """Device that the artifact runs on."""
    gpu: str = ""
    """Compute capability that an `aoti` artifact for CUDA was compiled for, such as `9.0`."""

    def to_json(self) -> str:
        """Return the JSON text that the artifact stores."""
        fields = attrs.asdict(self, recurse=False)
        fields["trained_on"] = None if self.trained_on is None else self.trained_on.to_json()
        return json.dumps({"version": FORMAT_VERSION, **fields}, sort_keys=True)


def about_from_json(text: str, path: object) -> About:
    """Read the text of `About.to_json`. Raise CannotRun, with the path, for any other text."""
    try:
        fields: Any = json.loads(text)
        version = fields.pop("version")
        if version != FORMAT_VERSION:
            raise CannotRun(
                f"{path}: unknown artifact format {version!r}; this version of anetc reads format "
                f"{FORMAT_VERSION}; compile the network again"
            )
        trained_on = trained_on_from_json(fields.get("trained_on"))
        dynamic = tuple(map(str, fields["dynamic"]))
        about = About(**{**fields, "dynamic": dynamic, "trained_on": trained_on})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CannotRun(
            f"{path}: the artifact is damaged: its description cannot be read"
        ) from None
    numbers = (about.batch, about.frames, about.height, about.width)
    if (
        about.kind not in KINDS
        or not set(about.dynamic) <= set(get_args(Axis))
        or about.dtype not in get_args(DType)
        or about.device not in get_args(Target)
        or type(about.gpu) is not str
        or type(about.network) is not str
        or type(fields.get("trained", False)) is not bool
        or not all(type(number) is int and number > 0 for number in numbers)
    ):
        raise CannotRun(f"{path}: the artifact is damaged: its description cannot be read")
    return about


def parse_dynamic(text: str) -> tuple[Axis, ...]:
    """Return the axes in `batch,frames`, in this order. Raise ValueError for other words."""
    words = {word.strip() for word in text.split(",")}
    if unknown := words - set(get_args(Axis)):
        raise ValueError(
            f"{sorted(unknown)[0]!r} is not an axis; write batch, frames or batch,frames"
        )
    return tuple(axis for axis in cast("tuple[Axis, ...]", get_args(Axis)) if axis in words)
