"""Draw networks with Graphviz (paper, Figures 1 to 3).

DOT text needs no Graphviz and is the same on every machine. Other formats need an engine, which
`anetdsl.drawing.engine` finds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypedDict, Unpack, overload

from anetdsl.drawing.changes import diff_source
from anetdsl.drawing.dot import Direction
from anetdsl.drawing.engine import find_engine, run
from anetdsl.drawing.network import dot_source
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.ir import Network

__all__ = ["FORMATS", "diff_source", "dot_source", "draw"]

FORMATS = ("svg", "png", "pdf", "dot")


class _Options(TypedDict, total=False):
    weights: bool
    numbers: bool | None
    peers: bool
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
    peers: bool = False,
    diff: Network | None = None,
    title: str | None = None,
    direction: Direction = "LR",
    dot: str | os.PathLike[str] | None = None,
) -> str | bytes | None:
    """Draw the network, or the changes from `diff`, an older network.

    `target` is a format, or the path of a file to write, whose suffix is the format. The formats
    `svg` and `dot` are returned as str, `png` and `pdf` as bytes. For `weights`, `numbers`,
    `peers`, `title` and `direction` see `dot_source` and `diff_source`. `dot` is the engine's
    program (`anetdsl.drawing.engine`); `pdf` needs Graphviz's `dot`.

    Raises CannotRun if no engine is found, if the engine fails or takes over a minute, if the
    format is unknown, and if the file cannot be written.
    """
    if diff is None:
        source = dot_source(
            network,
            weights=weights,
            numbers=numbers,
            peers=peers,
            title=title,
            direction=direction,
        )
    else:
        source = diff_source(diff, network, weights=weights, title=title, direction=direction)
    if isinstance(target, str) and target in FORMATS:
        content = _content(source, target, dot)
        return content.decode() if target in ("svg", "dot") else content
    path = Path(target)
    write_atomically(path, _content(source, path.suffix.removeprefix(".").lower(), dot))
    return None


def _content(source: str, format: str, dot: str | os.PathLike[str] | None) -> bytes:
    match format:
        case "dot" | "gv":
            return source.encode()
        case "svg" | "png" | "pdf":
            return run(find_engine(format, dot), source, format)
    formats = ", ".join(f"`{known}`" for known in FORMATS)
    raise CannotRun(f"cannot draw: unknown format `{format}`; use one of {formats}")
