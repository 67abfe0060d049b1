"""Displays of a network, made by functions of modules that import `anetdsl.ir`.

`anetdsl/__init__.py` sets the functions. So `anetdsl.ir` imports neither the printer, the drawing
nor the cost model, which import it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_functions: dict[str, Callable[..., Any]] = {}


def set_displays(
    *, text: Callable[..., str], notebook: Callable[..., Any], stats: Callable[..., Any]
) -> None:
    """Set the functions for `str(network)`, the display in a notebook and `network.stats()`."""
    _functions.update(text=text, notebook=notebook, stats=stats)


def display(kind: str, network: object, **options: Any) -> Any:
    """Call the function of a kind: `text`, `notebook` or `stats`."""
    return _functions[kind](network, **options)
