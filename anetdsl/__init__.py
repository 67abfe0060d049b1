"""AnetDSL: a text language for multi-stream video networks, and the tools that read and write it.

>>> import anetdsl
>>> network = anetdsl.load("examples/assemblenet.anet")
>>> print(network)  # the canonical text

This package works without torch; `anetc` compiles a Network to PyTorch. Each name in `__all__` is
imported when it is first used, so that short commands start fast.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from anetdsl.displays import set_displays

if TYPE_CHECKING:
    from anetdsl.api import check, format_text, load, parse
    from anetdsl.cost import Cost, cost
    from anetdsl.diagnostics import Diagnostic
    from anetdsl.diff import NetworkDiff, diff
    from anetdsl.drawing import draw
    from anetdsl.errors import AnetError
    from anetdsl.ir import Edge, Input, Network, Node, Origin, Score, Sink
    from anetdsl.notebook.run_view import RunView

__version__ = "0.1.0"

_MODULES = {
    "check": "anetdsl.api",
    "format_text": "anetdsl.api",
    "load": "anetdsl.api",
    "parse": "anetdsl.api",
    "Cost": "anetdsl.cost",
    "cost": "anetdsl.cost",
    "AnetError": "anetdsl.errors",
    "Diagnostic": "anetdsl.diagnostics",
    "NetworkDiff": "anetdsl.diff",
    "diff": "anetdsl.diff",
    "draw": "anetdsl.drawing",
    "Edge": "anetdsl.ir",
    "Input": "anetdsl.ir",
    "Network": "anetdsl.ir",
    "Node": "anetdsl.ir",
    "Origin": "anetdsl.ir",
    "RunView": "anetdsl.notebook.run_view",
    "Score": "anetdsl.ir",
    "Sink": "anetdsl.ir",
}

__all__ = [
    "AnetError",
    "Cost",
    "Diagnostic",
    "Edge",
    "Input",
    "Network",
    "NetworkDiff",
    "Node",
    "Origin",
    "RunView",
    "Score",
    "Sink",
    "check",
    "cost",
    "diff",
    "draw",
    "format_text",
    "load",
    "parse",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'anetdsl' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


class _Package(types.ModuleType):
    """Type of this package: its `cost` and `diff` are functions, not the modules of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        # Importing a submodule makes it an attribute of the package.
        if isinstance(value, types.ModuleType) and _MODULES.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def _network_text(network: Network) -> str:
    from anetdsl.text.printing import network_text

    return network_text(network)


def _notebook_bundle(network: Network) -> dict[str, str]:
    from anetdsl.notebook.network_display import notebook_bundle

    return notebook_bundle(network)


def _network_stats(network: Network, **clip: Any) -> Any:
    from anetdsl.notebook.cost_display import network_stats

    return network_stats(network, **clip)


set_displays(text=_network_text, notebook=_notebook_bundle, stats=_network_stats)
