"""The analysis of a text: its tree, findings and costs, computed once for each change."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from functools import cached_property

import attrs

from anetdsl.checking import Checked, check_tree, size_finding
from anetdsl.cost import Cost, NodeCost, cost
from anetdsl.diagnostics import Diagnostic
from anetdsl.ir import Edge, Network, Sink
from anetdsl.language_server.client_settings import ClientSettings
from anetdsl.rules.elaborate import Elaborated, elaborate
from anetdsl.source import SourceFile, Span
from anetdsl.syntax.incremental import parse_again
from anetdsl.syntax.nodes import ListItem, ListValue, StatementNode, SyntaxTree
from anetdsl.syntax.parser import parse_syntax


@attrs.frozen(slots=False, eq=False)
class Analysis:
    """A text after parsing and checking, with what editors ask about it."""

    tree: SyntaxTree
    checked: Checked
    settings: ClientSettings = attrs.Factory(ClientSettings)

    @property
    def source(self) -> SourceFile:
        """The text."""
        return self.checked.source

    @property
    def text(self) -> str:
        """The text as a string."""
        return self.checked.source.text

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All findings, in reading order."""
        return self.checked.diagnostics

    @cached_property
    def elaborated(self) -> Elaborated:
        """The network as far as it can be read."""
        return elaborate(self.tree)

    @property
    def network(self) -> Network:
        """The network as far as it can be read; complete if the text has no errors."""
        return self.checked.network or self.elaborated.network

    @cached_property
    def cost(self) -> Cost | None:
        """Cost of the network, or None if the text has errors."""
        if self.checked.network is None:
            return None
        settings = self.settings
        return cost(self.checked.network, frames=settings.frames, size=settings.size)

    @cached_property
    def node_costs(self) -> Mapping[str, NodeCost]:
        """Costs by node. If the text has errors, those of nodes that depend on no mistake."""
        if self.cost is not None:
            return {node.name: node for node in self.cost.nodes}
        sound = _sound_part(self.elaborated, [d.span for d in self.checked.errors])
        if sound is None:
            return {}
        found = cost(sound, frames=self.settings.frames, size=self.settings.size)
        return {node.name: node for node in found.nodes}

    @cached_property
    def definitions(self) -> Mapping[str, StatementNode]:
        """The first statement that defines each name of an input or a node."""
        found: dict[str, StatementNode] = {}
        for statement in self.tree.statements:
            if statement.keyword.text in ("input", "node") and statement.name is not None:
                found.setdefault(statement.name.text, statement)
        return found

    @cached_property
    def readers(self) -> Mapping[str, tuple[StatementNode, ...]]:
        """The nodes, and the sink, that read each name."""
        found: dict[str, dict[int, StatementNode]] = {}
        for statement in self.tree.statements:
            for item in sources_of(statement):
                found.setdefault(item.value.text, {})[statement.span.start] = statement
        return {name: tuple(statements.values()) for name, statements in found.items()}

    @cached_property
    def _starts(self) -> list[int]:
        return [statement.span.start for statement in self.tree.statements]

    def statement_at(self, offset: int) -> StatementNode | None:
        """Return the statement at or directly before an offset, or None."""
        index = bisect.bisect_right(self._starts, offset) - 1
        if index < 0 or self.tree.statements[index].span.end < offset:
            return None
        return self.tree.statements[index]


def analyse(
    source: SourceFile,
    settings: ClientSettings = ClientSettings(),  # noqa: B008 (a frozen value)
    before: Analysis | None = None,
) -> Analysis:
    """Return the analysis of a text; with that of a similar text `before`, in less time."""
    if (finding := size_finding(source)) is not None:
        return Analysis(SyntaxTree(source, (), (), ()), Checked(source, None, (finding,)), settings)
    tree = parse_syntax(source) if before is None else parse_again(before.tree, source)
    checked = check_tree(tree, search=settings.search, allow=settings.allow)
    return Analysis(tree, checked, settings)


def peers_of(statement: StatementNode) -> tuple[ListItem, ...]:
    """Return the names that the `peers` list of a node has."""
    return sources_of(statement, "peers")


def sources_of(statement: StatementNode, name: str = "inputs") -> tuple[ListItem, ...]:
    """Return the names that the `inputs` list (or another) of a node or the sink has."""
    attribute = statement.attribute(name)
    if statement.keyword.text not in ("node", "sink") or attribute is None:
        return ()
    value = attribute.value
    items = value.items if isinstance(value, ListValue) else ()
    return tuple(item for item in items if item.value.kind == "name")


def int_value(statement: StatementNode, name: str) -> int | None:
    """Return the whole number of an attribute, or None if there is none."""
    attribute = statement.attribute(name)
    if attribute is None or attribute.value is None or isinstance(attribute.value, ListValue):
        return None
    text = attribute.value.text
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _sound_part(elaborated: Elaborated, mistakes: list[Span]) -> Network | None:
    """Return the nodes of a network that depend on no mistake, with a made-up sink; None if none.

    `mistakes` has the places of all errors.
    """
    network = elaborated.network

    def is_mistaken(span: Span) -> bool:
        return any(span.start <= mistake.start <= span.end for mistake in mistakes)

    if is_mistaken(network.span) and network.span.end:
        return None
    inputs = {value.name for value in network.inputs if not is_mistaken(value.span)}
    levels: dict[str, int] = {}
    for node in network.topological_nodes():
        if node.name in elaborated.incomplete or is_mistaken(node.span) or not node.inputs:
            continue
        sources = [edge.source for edge in node.inputs]
        if node.is_stem:
            is_sound = len(sources) == 1 and sources[0] in inputs
        else:
            is_sound = all(levels.get(source, node.level) < node.level for source in sources)
        if is_sound:
            levels[node.name] = node.level
    nodes = tuple(node for node in network.nodes if node.name in levels)
    if not nodes:
        return None
    return attrs.evolve(network, nodes=nodes, sink=Sink((Edge(nodes[0].name),), 1))
