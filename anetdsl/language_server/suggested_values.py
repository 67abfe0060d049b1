"""Values that an editor suggests for an attribute of a statement."""

from __future__ import annotations

from collections.abc import Sequence

from anetdsl.ir import MODULES, default_kind
from anetdsl.language_server.analysis import Analysis, int_value
from anetdsl.vocabulary import (
    LITE_STEM_STRIDE,
    STEM_STRIDE,
    TOP_LEVEL,
    UNUSED_BY_OBJECT_STEMS,
    Attribute,
)

_OBJECT_CLASSES = 151
"""Channels of the object input of the published AssembleNet++."""
_STEM_FILTERS = 32
_LITE_STEM_FILTERS = 24
_LITE_FILTERS = ((27, 27, 12), (54, 54, 24), (152, 152, 68), (432, 432, 192))
"""C of the blocks of the published lite network at levels 1 to 4."""


def suggested_value(
    analysis: Analysis, keyword: str, name: str, attribute: Attribute, level: int | None
) -> str:
    """Return a value of an attribute as it is written, or an empty string if none is likely.

    The statement has this keyword and name; `level` is that of a node. Where the language has a
    default it is the value. A list of names is in `likely_sources`.
    """
    match keyword, attribute.name:
        case _ if attribute.default:
            return attribute.default
        case "network", "modules":
            return str(list(MODULES[analysis.network.blocks]))
        case "input", "channels":
            is_object = "object" in name.lower()
            return str(_OBJECT_CLASSES) if is_object else "2" if "flow" in name.lower() else "3"
        case "input", "kind":
            if "object" in name.lower():
                return "object"
            statement = analysis.definitions.get(name)
            channels = int_value(statement, "channels") if statement is not None else None
            return default_kind(3 if channels is None else channels)
        case "node", "level":
            return "1"
        case "node", "r":
            return "1"
        case "node", "stride":
            return _stride(analysis, level)
        case "node", "C":
            return _filters(analysis, level)
        case "sink", "classes":
            return "10"
    return ""


def _stride(analysis: Analysis, level: int | None) -> str:
    """Return the usual stride of a level: that of Table 4, or that of the lite networks."""
    is_lite = analysis.network.blocks == "lite"
    if level == 0:
        return str(LITE_STEM_STRIDE if is_lite else STEM_STRIDE)
    return "1" if level in (1, None) and not is_lite else "2"


def _filters(analysis: Analysis, level: int | None) -> str:
    """Return the C of the last node of a level, or a usual one if the level has no node."""
    level = 1 if level is None else level
    network = analysis.network
    is_block = 1 <= level <= TOP_LEVEL
    is_list = network.blocks == "lite" and is_block
    present = [node.channels for node in network.nodes if node.level == level and node.filters]
    fitting = [filters for filters in present if isinstance(filters, tuple) == is_list]
    if fitting:
        filters = fitting[-1]
    elif network.blocks == "lite":
        filters = _LITE_FILTERS[level - 1] if is_block else _LITE_STEM_FILTERS
    else:
        filters = network.widths[level - 1] if is_block else _STEM_FILTERS
    return str(list(filters)) if isinstance(filters, tuple) else str(filters)


def unused_attributes(
    analysis: Analysis, keyword: str, level: int | None, sources: Sequence[str]
) -> tuple[str, ...]:
    """Return the attributes that have no effect on a node of a level with these `inputs`.

    They are `peers` of a stem and without peer attention, and `C` and `r` of the stem of an object
    input.
    """
    if keyword != "node":
        return ()
    has_peers = analysis.network.attention == "peer" and level != 0
    kinds = {value.name: value.kind for value in analysis.network.inputs}
    reads_objects = level == 0 and any(kinds.get(source) == "object" for source in sources)
    peers = () if has_peers else ("peers",)
    return (*peers, *(UNUSED_BY_OBJECT_STEMS if reads_objects else ()))


def likely_sources(
    analysis: Analysis, keyword: str, name: str, level: int | None, before: int
) -> tuple[str, ...]:
    """Return the names that a node, or the sink, reads most likely; none if there is no such name.

    `before` is the start of its statement. A stem reads an input that nothing reads yet; a node
    reads the last node of the highest level below its own; the sink reads the nodes of the highest
    level that nothing reads yet.
    """
    valid = [source for source in valid_sources(analysis, keyword, level) if source != name]
    if not valid:
        return ()
    unread = [source for source in valid if source not in analysis.readers]
    if level == 0 and keyword == "node":
        return tuple((unread or valid)[:1])
    levels = {source: int_value(analysis.definitions[source], "level") or 0 for source in valid}
    highest = max(levels.values())
    if keyword == "sink":
        top = [source for source in valid if levels[source] == highest]
        return tuple([source for source in top if source in unread] or top[-1:])
    above = [s for s in valid if analysis.definitions[s].span.start < before] or valid
    highest = max(levels[source] for source in above)
    return tuple([source for source in above if levels[source] == highest][-1:])


def valid_sources(analysis: Analysis, keyword: str, level: int | None) -> list[str]:
    """Return the names that a node of a level, or the sink, may read, in the order of the text.

    A node without a valid level may read all inputs and nodes.
    """
    if keyword == "node" and level is None:
        return list(analysis.definitions)
    found = []
    for name, statement in analysis.definitions.items():
        is_input = statement.keyword.text == "input"
        if keyword == "node" and level == 0:
            if is_input:
                found.append(name)
        elif not is_input:
            own = int_value(statement, "level")
            if own is None or keyword == "sink" or (level is not None and own < level):
                found.append(name)
    return found


def fitting_sources(
    analysis: Analysis, keyword: str, level: int | None, combine: str, listed: Sequence[str]
) -> list[str]:
    """Return the names that may be added to an `inputs` list that has the names `listed`.

    Names are left out whose total stride does not fit those of the others, and, for a sink with
    `combine=mean`, whose number of channels differs.
    """
    valid = [name for name in valid_sources(analysis, keyword, level) if name not in listed]
    if level == 0 and keyword == "node":
        return valid
    if keyword == "sink":
        widths = analysis.network.out_channels()
        channels = {widths[name] for name in listed if name in widths}
        if combine != "mean" or not channels:
            return valid
        return [n for n in valid if n not in widths or widths[n] in channels]
    totals = analysis.network.total_strides()
    present = [totals[name] for name in listed if name in totals]

    def fits(name: str) -> bool:
        strides = [*present, totals[name]] if name in totals else []
        return not any(max(strides) % stride for stride in strides)

    return [name for name in valid if fits(name)]
