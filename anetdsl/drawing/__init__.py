"""Pictures of networks, by way of Graphviz (paper, Figures 1 to 3).

DOT text needs no Graphviz and is the same on every machine; the other formats need an engine, which
`anetdsl.drawing.engine` finds.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal, TypedDict, Unpack, overload

from anetdsl.drawing.changes import diff_source
from anetdsl.drawing.dot import Direction
from anetdsl.drawing.engine import Format, find_engine, run
from anetdsl.drawing.network import dot_source
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.ir import Network

__all__ = ["FORMATS", "diff_source", "dot_source", "draw", "notebook_bundle"]

FORMATS = ("svg", "png", "pdf", "dot")
_NOTEBOOK_SECONDS = 10.0


class _Options(TypedDict, total=False):
    weights: bool
    numbers: bool | None
    diff: Network | None
    title: str | None
    direction: Direction
    dot: str | os.PathLike[str] | None


@overload
def draw(network: Network, target: Literal["svg", "dot"], **options: Unpack[_Options]) -> str: ...
@overload
def draw(network: Network, target: Literal["png", "pdf"], **options: Unpack[_Options]) -> bytes: ...
@overload
def draw(
    network: Network, target: str | os.PathLike[str], **options: Unpack[_Options]
) -> str | bytes | None: ...


def draw(
    network: Network,
    target: str | os.PathLike[str] = "svg",
    *,
    weights: bool = False,
    numbers: bool | None = None,
    diff: Network | None = None,
    title: str | None = None,
    direction: Direction = "LR",
    dot: str | os.PathLike[str] | None = None,
) -> str | bytes | None:
    """The network's picture; or what changed since `diff`, the older network.

    `target` is a format, `svg` or `dot` (returned as str), `png` or `pdf` (bytes); or the path of a
    file to write, whose ending names the format. `weights`, `numbers`, `title` and `direction` are
    those of `dot_source` and `diff_source`; `dot` names the engine (`anetdsl.drawing.engine`).

    Raises CannotRun when nothing can draw, when the engine fails or takes over a minute, when the
    format is unknown, and when the file cannot be written.
    """
    if diff is None:
        source = dot_source(
            network, weights=weights, numbers=numbers, title=title, direction=direction
        )
    else:
        source = diff_source(diff, network, weights=weights, title=title, direction=direction)
    if isinstance(target, str) and target in FORMATS:
        content = _content(source, target, dot)
        return content.decode() if target in ("svg", "dot") else content
    path = Path(target)
    write_atomically(path, _content(source, path.suffix.removeprefix(".").lower(), dot))
    return None


def notebook_bundle(network: Network) -> dict[str, str]:
    """The network for a notebook, by media type: its text, and its picture if one can be drawn."""
    bundle = {"text/plain": str(network)}
    with contextlib.suppress(CannotRun):
        engine = find_engine("svg")
        picture = run(engine, dot_source(network), "svg", time_limit=_NOTEBOOK_SECONDS)
        bundle["image/svg+xml"] = picture.decode()
    return bundle


def _content(source: str, format: str, dot: str | os.PathLike[str] | None) -> bytes:
    match format:
        case "dot" | "gv":
            return source.encode()
        case "svg" | "png" | "pdf" as drawn:
            return _drawn(source, drawn, dot)
    kinds = ", ".join(f"`{known}`" for known in FORMATS)
    raise CannotRun(f"cannot draw: a picture's format is one of {kinds}, not `{format}`")


def _drawn(source: str, format: Format, dot: str | os.PathLike[str] | None) -> bytes:
    return run(find_engine(format, dot), source, format)
