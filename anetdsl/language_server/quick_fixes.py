"""Changes of a text that correct a finding.

Each change but those that the finding itself brings is tried: it is offered only if the finding is
gone afterwards and there is no new error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import attrs

from anetdsl.codes import WARNINGS
from anetdsl.diagnostics import Diagnostic
from anetdsl.ir import Edge
from anetdsl.language_server.analysis import Analysis, analyse, int_value, sources_of
from anetdsl.language_server.formatting_edits import line_edits
from anetdsl.language_server.suggested_values import (
    likely_sources,
    suggested_value,
    unused_attributes,
)
from anetdsl.rules.blocks import blocks_meant
from anetdsl.source import Edit, SourceFile, Span
from anetdsl.syntax.nodes import StatementNode
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import (
    add_edge,
    apply,
    find,
    insert_node,
    remove_attribute,
    remove_node,
    remove_statement,
    set_attribute,
    set_attributes,
)
from anetdsl.text.edits.attribute_edits import Text
from anetdsl.vocabulary import STATEMENTS

_MOST_READERS = 4
"""Number of nodes that are offered as readers of a node that nothing reads."""
_MOST_TRIES = 12


@attrs.frozen
class QuickFix:
    """A change that corrects a finding."""

    title: str
    edits: tuple[Edit, ...]
    finding: Diagnostic
    is_preferred: bool = False


Proposals = Iterator[tuple[str, tuple[Edit, ...]]]


def quick_fixes(analysis: Analysis, span: Span) -> Iterator[QuickFix]:
    """Yield the changes that correct the findings at a span."""
    allowed: set[str] = set()
    for finding in analysis.diagnostics:
        if finding.span.start > span.end or finding.span.end < span.start:
            continue
        if finding.fix is not None:
            yield QuickFix(finding.fix.title, finding.fix.edits, finding, is_preferred=True)
        propose = _PROPOSALS.get(finding.code)
        if propose is not None:
            is_first = finding.fix is None
            for title, edits in _possible(propose(analysis, finding)):
                if _corrects(analysis, finding, edits):
                    yield QuickFix(title, edits, finding, is_preferred=is_first)
                    is_first = False
        can_allow = finding.code in WARNINGS and finding.code not in _NOT_ALLOWABLE
        if can_allow and not finding.is_error and finding.code not in allowed:
            allowed.add(finding.code)
            yield QuickFix(f"allow {finding.code} in this file", _allow(analysis, finding), finding)


_NOT_ALLOWABLE = ("A607", "A608")


def _possible(proposals: Proposals) -> Proposals:
    """Yield proposals until the text does not allow an edit, because of another mistake in it."""
    with contextlib.suppress(ValueError, KeyError):
        yield from proposals


def _corrects(analysis: Analysis, finding: Diagnostic, edits: tuple[Edit, ...]) -> bool:
    """Return whether a finding is gone after edits that cause no new error."""
    try:
        text = apply(analysis.text, edits)
    except ValueError:
        return False
    after = analyse(SourceFile(analysis.source.name, text), analysis.settings, analysis)

    def count(one: Analysis, code: str) -> int:
        return sum(d.code == code for d in one.diagnostics)

    errors = len(after.checked.errors) <= len(analysis.checked.errors)
    return errors and count(after, finding.code) < count(analysis, finding.code)


def _statement(analysis: Analysis, finding: Diagnostic) -> StatementNode | None:
    return analysis.statement_at(finding.span.start)


def _missing_attributes(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose values for required attributes (A403)."""
    statement = _statement(analysis, finding)
    if statement is None:
        return
    keyword, name = statement.keyword.text, statement.name.text if statement.name else ""
    level = int_value(statement, "level")
    added: dict[str, Text | None] = {}
    sources = [item.value.text for item in sources_of(statement)]
    unused = unused_attributes(analysis, keyword, level, sources)
    for attribute in STATEMENTS[keyword].attributes:
        if not attribute.required or attribute.name in unused:
            continue
        if statement.attribute(attribute.name) is not None:
            continue
        value: Text
        if attribute.type == "edges":
            value = likely_sources(analysis, keyword, name, level, statement.span.start)
        else:
            value = suggested_value(analysis, keyword, name, attribute, level)
        if not value:
            return
        added[attribute.name] = value
        if attribute.name == "level" and isinstance(value, str):
            level = int(value)
    words = [
        f"`{key}={value if isinstance(value, str) else '[' + ', '.join(value or ()) + ']'}`"
        for key, value in added.items()
    ]
    yield f"add {' '.join(words)}", set_attributes(analysis.tree, statement, added)


def _repeated_attribute(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose to remove the second of two equal attributes (A402)."""
    statement = _statement(analysis, finding)
    if statement is None:
        return
    ends = [statement.keyword.span.end, *(a.span.end for a in statement.attributes)]
    for attribute in statement.attributes:
        if attribute.name.span == finding.span:
            start = max(end for end in ends if end <= attribute.span.start)
            if statement.attributes[0] is attribute:
                return
            if not analysis.text[start : attribute.span.start].strip():
                edit = Edit(Span(start, attribute.span.end), "")
                yield f"remove the second `{attribute.name.text}`", (edit,)


def _strides(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose the stride of a stem (A504)."""
    statement = _statement(analysis, finding)
    if statement is not None and statement.name is not None:
        stem = analysis.network.node(statement.name.text)
        stride = analysis.network.stem_stride(stem)
        edits = set_attribute(analysis.tree, statement, "stride", str(stride))
        yield f"change to `stride={stride}`", edits


def _sink_widths(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose to concatenate the inputs of the sink (A503)."""
    statement = _statement(analysis, finding)
    if statement is not None:
        edits = set_attribute(analysis.tree, statement, "combine", "concat")
        yield "set `combine=concat`", edits


def _unused_attribute(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose to remove an attribute without effect, or to turn peer attention on (A410, A609)."""
    statement = _statement(analysis, finding)
    for attribute in statement.attributes if statement is not None else ():
        if statement is None or attribute.value is None or attribute.value.span != finding.span:
            continue
        name = attribute.name.text
        yield f"remove `{name}`", remove_attribute(analysis.tree, statement, name)
        if name == "peers" and finding.code == "A609":
            network = find(analysis.tree, "network")
            edits = set_attribute(analysis.tree, network, "attention", "peer")
            yield "set `attention=peer`", edits


def _kind_of_blocks(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose a C that fits the blocks, or the blocks that fit all C (A505)."""
    statement = _statement(analysis, finding)
    if statement is None or statement.name is None:
        return
    meant = blocks_meant(analysis.network)
    if meant != analysis.network.blocks:
        network = find(analysis.tree, "network")
        yield f"set `blocks={meant}`", set_attribute(analysis.tree, network, "blocks", meant)
    attribute = STATEMENTS["node"].attribute("C")
    if attribute is not None:
        level = int_value(statement, "level")
        filters = suggested_value(analysis, "node", statement.name.text, attribute, level)
        edit = Edit(finding.span, filters)
        yield f"change to `C={filters}`", (edit,)


def _lite_sink(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose the one input of the sink of lite blocks (A506)."""
    sink = _statement(analysis, finding)
    if sink is not None:
        for item in sources_of(sink)[:_MOST_READERS]:
            name = item.value.text
            yield f"read `{name}` alone", set_attribute(analysis.tree, sink, "inputs", [name])


def _superfluous_item(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose to take an item out of a list of sources or of peers (A411, A604)."""
    statement = _statement(analysis, finding)
    for attribute in statement.attributes if statement is not None else ():
        items = getattr(attribute.value, "items", ())
        removed = [item for item in items if finding.span in (item.span, item.value.span)]
        if statement is None or not removed:
            continue
        kept = [
            item.value.text + ("" if item.weight is None else f"@{item.weight.text}")
            for item in items
            if item not in removed
        ]
        name, list_name = removed[0].value.text, attribute.name.text
        is_second = sum(item.value.text == name for item in items) > 1
        edits = set_attributes(analysis.tree, statement, {list_name: kept or None})
        yield f"remove {'the second ' if is_second else ''}`{name}`", edits


def _unread_node(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose to remove a node that does not reach the sink, or to connect it (A601)."""
    statement = _statement(analysis, finding)
    network = analysis.network
    if statement is None or statement.name is None:
        return
    name = statement.name.text
    needed = network.needed_by_sink()
    if not analysis.readers.get(name):
        yield f"remove `{name}`", remove_node(analysis.tree, statement)
        yield from _connections(analysis, name)
    unneeded = [node.name for node in network.nodes if node.name not in needed]
    if len(unneeded) > 1:
        yield (
            f"remove all {len(unneeded)} nodes that do not reach the sink",
            line_edits(analysis.text, _without(analysis, unneeded)),
        )


def _connections(analysis: Analysis, name: str) -> Proposals:
    """Propose the sink and nodes of higher levels as readers of a node."""
    network, tree = analysis.network, analysis.tree
    level = network.node(name).level
    needed = network.needed_by_sink()
    offered = 0
    sink = find(tree, "sink")
    edits = add_edge(tree, sink, Edge(name))
    yield f"connect `{name}` to the sink", edits
    readers = [node for node in network.topological_nodes() if node.level > level]
    for node in [node for node in readers if node.name in needed][:_MOST_TRIES]:
        edits = add_edge(tree, analysis.definitions[node.name], Edge(name))
        if offered < _MOST_READERS:
            offered += 1
            yield f"connect `{name}` to `{node.name}`", edits


def _without(analysis: Analysis, names: list[str]) -> str:
    """Return the text without the statements of some nodes."""
    source, tree = analysis.source, analysis.tree
    for name in names:
        edits = remove_node(tree, find(tree, "node", name))
        source = SourceFile(source.name, apply(source.text, edits))
        tree = parse_syntax(source)
    return source.text


def _unread_input(analysis: Analysis, finding: Diagnostic) -> Proposals:
    """Propose to remove an input that no stem reads, or to add a stem (A606)."""
    statement = _statement(analysis, finding)
    if statement is None or statement.name is None:
        return
    name = statement.name.text
    if not analysis.readers.get(name):
        yield f"remove `{name}`", remove_statement(analysis.tree, statement)
    stem = next(
        (s for s in (f"stem_{name}", f"{name}_stem") if s not in analysis.definitions), None
    )
    network = analysis.network
    stems = [node for node in network.nodes if node.is_stem and node.filters]
    if stem is not None and stems:
        like = stems[-1]
        node = attrs.evolve(like, name=stem, inputs=(Edge(name),), peers=())
        if network.input(name).kind == "object":
            node = attrs.evolve(node, channels=None, dilation=None)
        node = attrs.evolve(node, stride=network.stem_stride(node))
        after = analysis.definitions[like.name]
        yield f"add a stem that reads `{name}`", insert_node(analysis.tree, node, after)


def _allow(analysis: Analysis, finding: Diagnostic) -> tuple[Edit, ...]:
    """Return the edit that adds a comment, which allows a warning, at the start of the text."""
    start = 1 if analysis.text.startswith("\ufeff") else 0
    return (Edit(Span(start, start), f"# anetc: allow {finding.code}{analysis.source.newline}"),)


_PROPOSALS: dict[str, Callable[[Analysis, Diagnostic], Proposals]] = {
    "A402": _repeated_attribute,
    "A403": _missing_attributes,
    "A503": _sink_widths,
    "A410": _unused_attribute,
    "A411": _superfluous_item,
    "A504": _strides,
    "A505": _kind_of_blocks,
    "A506": _lite_sink,
    "A601": _unread_node,
    "A604": _superfluous_item,
    "A606": _unread_input,
    "A609": _unused_attribute,
}
