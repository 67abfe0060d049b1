"""The compiler of AnetDSL: from a `Network` to tensors, and the `anetc` command.

`build_network` and `load_artifact` are loaded when they are first asked for, so that importing
this package (as every light command does) does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anetc.export.load import load_artifact
    from anetc.modules.network import build_network

__all__ = ["build_network", "load_artifact"]

_HOMES = {
    "build_network": "anetc.modules.network",
    "load_artifact": "anetc.export.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
