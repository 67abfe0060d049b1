"""A network in a notebook: its picture and its cost."""

from __future__ import annotations

import contextlib

from anetdsl.cost import cost
from anetdsl.drawing import dot_source
from anetdsl.drawing.engine import find_engine, run
from anetdsl.errors import CannotRun
from anetdsl.ir import Network
from anetdsl.notebook.fragments import fragment
from anetdsl.report.cost_table import cost_table, cost_tiles
from anetdsl.report.markup import folded, joined, paragraph, text
from anetdsl.report.pictures import Renderer, network_picture

_SECONDS = 10.0
"""Longest time for a picture."""


def notebook_bundle(network: Network) -> dict[str, str]:
    """Return the network's text, its picture, and its picture with its cost, by media type.

    Without a Graphviz engine, the HTML says so in place of the picture. A network with errors,
    which has no cost, has its text and its picture.
    """
    bundle = {"text/plain": str(network)}
    renderer = Renderer(None)
    try:
        engine = find_engine("svg")
        picture = run(engine, dot_source(network), "svg", time_limit=_SECONDS)
        bundle["image/svg+xml"] = picture.decode()
        renderer = Renderer(engine)
    except CannotRun as error:
        renderer = Renderer(None, str(error))
    with contextlib.suppress(CannotRun, ValueError):
        counted = cost(network)
        details = folded("cost of each node", cost_table(counted))
        lead = paragraph(text(f"network {network.name}"))
        picture_html = network_picture(network, renderer)
        bundle["text/html"] = fragment(joined([lead, picture_html, cost_tiles(counted), details]))
    return bundle
