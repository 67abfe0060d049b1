"""The compiler of AnetDSL: from a `Network` to tensors, and the `anetc` command.

    compile_network(network)  the fast engine, for inference
    build_network(network)    the reference module, in plain PyTorch, for training and comparison
    load_artifact(path)       a module from a file that `anetc compile` wrote

The package loads these names at their first use. So commands that need no tensors do not import
torch.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` takes time
if TYPE_CHECKING:
    from typing import Any

    from anetc.engines.inference.inference_engine import compile_network
    from anetc.export.load import load_artifact
    from anetc.modules.network import build_network

__all__ = ["build_network", "compile_network", "load_artifact"]

_HOMES = {
    "build_network": "anetc.modules.network",
    "compile_network": "anetc.engines.inference.inference_engine",
    "load_artifact": "anetc.export.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
