"""Draw networks with Graphviz for a page (Figure 3)."""

from __future__ import annotations

import base64
import functools
import os
import re

import attrs

from anetdsl.api import parse
from anetdsl.drawing import dot_source
from anetdsl.drawing.engine import Engine, find_engine, run
from anetdsl.errors import AnetError, CannotRun
from anetdsl.evolve.candidates import Record
from anetdsl.ir import Network
from anetdsl.report.markup import Markup, paragraph, tag, text

_COMMENT = re.compile(rb"<!--.*?-->\s*", re.DOTALL)
_TIME_LIMIT = 20.0
"""Seconds for one picture."""


@attrs.frozen
class Renderer:
    """Graphviz engine of a report, or the reason why there is none."""

    engine: Engine | None
    reason: str = ""


def find_renderer(dot: str | os.PathLike[str] | None = None) -> Renderer:
    """Find an engine as `anetdsl.drawing.engine` does.

    Raises CannotRun if the program `dot` is given and does not exist.
    """
    try:
        return Renderer(find_engine("svg", dot))
    except CannotRun as error:
        if dot is not None:
            raise
        return Renderer(None, str(error))


def parse_candidate(record: Record) -> Network | None:
    """Return the network of a candidate; None if its text has errors."""
    try:
        return parse(record.text, record.name)
    except AnetError:
        return None


def network_picture(network: Network, renderer: Renderer, *, weights: bool = True) -> Markup:
    """Draw a network as an image, which cannot run or load anything.

    With `weights`, an edge is drawn by its learned weight.
    """
    if renderer.engine is None:
        return _missing(renderer.reason)
    try:
        source = dot_source(network, weights=weights)
        picture = _drawn(renderer.engine, source)
    except CannotRun as error:
        return _missing(str(error))
    data = base64.b64encode(_COMMENT.sub(b"", picture)).decode()
    edges = sum(len(node.inputs) for node in network.nodes if not node.is_stem)
    alt = f"network {network.name}: {len(network.nodes)} nodes, {edges} edges between them"
    return tag("img", src=f"data:image/svg+xml;base64,{data}", alt=alt, class_="network")


@functools.lru_cache(maxsize=64)
def _drawn(engine: Engine, source: str) -> bytes:
    """Return the drawing of a DOT text. A live page shows the same networks again and again."""
    return run(engine, source, "svg", time_limit=_TIME_LIMIT)


def _missing(reason: str) -> Markup:
    return paragraph(text(f"No picture: {reason}"), class_="missing")
