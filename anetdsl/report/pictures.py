"""Pictures by Graphviz within a page (Figure 3), or the reason why there is none."""

from __future__ import annotations

import base64
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
_SECONDS = 20.0


@attrs.frozen
class Artist:
    """Who draws: an engine, or the reason why there is none."""

    engine: Engine | None
    reason: str = ""


def artist(dot: str | os.PathLike[str] | None = None) -> Artist:
    """The engine of `anetdsl.drawing.engine`. Raises CannotRun when the one named is missing."""
    try:
        return Artist(find_engine("svg", dot))
    except CannotRun as error:
        if dot is not None:
            raise
        return Artist(None, str(error))


def network_of(record: Record) -> Network | None:
    """A candidate's network; None when its text has errors, as a file of the inbox may."""
    try:
        return parse(record.text, record.name)
    except AnetError:
        return None


def drawn(network: Network, artist: Artist) -> Markup:
    """The network with its learned weights, as a picture that can run nothing and load nothing."""
    if artist.engine is None:
        return _missing(artist.reason)
    try:
        source = dot_source(network, weights=True)
        picture = run(artist.engine, source, "svg", time_limit=_SECONDS)
    except CannotRun as error:
        return _missing(str(error))
    data = base64.b64encode(_COMMENT.sub(b"", picture)).decode()
    edges = sum(len(node.inputs) for node in network.nodes if not node.is_stem)
    about = f"network {network.name}: {len(network.nodes)} nodes, {edges} edges between them"
    return tag("img", src=f"data:image/svg+xml;base64,{data}", alt=about, class_="network")


def _missing(reason: str) -> Markup:
    return paragraph(text(f"No picture: {reason}"), class_="missing")
