"""What an artifact says of itself: the network's text and what it was compiled for."""

from __future__ import annotations

import json
from typing import Any, Literal, cast, get_args

import attrs

from anetdsl.errors import CannotRun

FORMAT_VERSION = 1
PYTHON_MARK = "Written by `anetc compile --emit python`"
Kind = Literal["module", "python", "pt2", "aoti", "torchscript", "onnx"]
Axis = Literal["batch", "frames"]
DType = Literal["float32", "bfloat16"]

KINDS: tuple[Kind, ...] = get_args(Kind)
DATA_ONLY: tuple[Kind, ...] = ("module", "onnx")
"""Kinds that are data. The others hold code, which runs when they are loaded or called."""
ANY_LENGTH: tuple[Kind, ...] = ("module", "python")
"""Kinds that take clips of any number, of any length."""


@attrs.frozen
class About:
    """An artifact's kind, network and clip. Sizes on axes in `dynamic` are examples."""

    kind: Kind
    network: str
    """The network's canonical text."""
    batch: int = 1
    frames: int = 32
    height: int = 224
    width: int = 224
    dynamic: tuple[Axis, ...] = ()
    dtype: DType = "float32"
    trained: bool = False
    """Whether weights were given; else they are the first ones, drawn from a seed."""

    def to_json(self) -> str:
        """The text that artifacts carry."""
        return json.dumps({"version": FORMAT_VERSION, **attrs.asdict(self)}, sort_keys=True)


def about_from_json(text: str, path: object) -> About:
    """What `to_json` wrote. Raises CannotRun, naming the file, for anything else."""
    try:
        fields: Any = json.loads(text)
        version = fields.pop("version")
        if version != FORMAT_VERSION:
            raise CannotRun(
                f"{path}: artifact format {version!r} is not known; "
                f"this version reads {FORMAT_VERSION}"
            )
        about = About(**{**fields, "dynamic": tuple(map(str, fields["dynamic"]))})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CannotRun(f"{path}: what the artifact says of itself is damaged") from None
    numbers = (about.batch, about.frames, about.height, about.width)
    if (
        about.kind not in KINDS
        or not set(about.dynamic) <= set(get_args(Axis))
        or about.dtype not in get_args(DType)
        or type(about.network) is not str
        or type(fields.get("trained", False)) is not bool
        or not all(type(number) is int and number > 0 for number in numbers)
    ):
        raise CannotRun(f"{path}: what the artifact says of itself is damaged")
    return about


def parse_dynamic(text: str) -> tuple[Axis, ...]:
    """The axes of `batch,frames`, in that order. Raises ValueError for other words."""
    words = {word.strip() for word in text.split(",")}
    if unknown := words - set(get_args(Axis)):
        raise ValueError(f"{sorted(unknown)[0]!r} is no axis; expected batch, frames or both")
    return tuple(axis for axis in cast("tuple[Axis, ...]", get_args(Axis)) if axis in words)
