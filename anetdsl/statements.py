"""Which statements a file has, and how often."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.diagnostics import Diagnostic, Fix, Label
from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import StatementNode, SyntaxTree
from anetdsl.vocabulary import LANGUAGE_VERSION, REQUIRED, STATEMENTS


def check_statements(tree: SyntaxTree) -> Iterator[Diagnostic]:
    """A201 to A204: the version comes first, and nothing is missing or there twice."""
    statements = tree.statements
    first_start = statements[0].span.start if statements else len(tree.source.text)
    reported = any(diagnostic.span.start < first_start for diagnostic in tree.diagnostics)
    if not reported and not (statements and statements[0].keyword.text == "anet"):
        start = statements[0].span.start if statements else 0
        yield Diagnostic(
            "A201",
            "the first statement must be `anet 1`, the version of the language"
            if statements
            else "the file is empty: the first statement is `anet 1`, the version of the language",
            statements[0].keyword.span if statements else Span(0, 0),
            fix=Fix("insert `anet 1`", (Edit(Span(start, start), "anet 1\n"),)),
        )
    first: dict[str, StatementNode] = {}
    for statement in statements:
        keyword = statement.keyword.text
        if keyword in first and not STATEMENTS[keyword].many:
            label = Label(first[keyword].keyword.span, "first one here")
            message = f"a file has one `{keyword}` statement"
            yield Diagnostic("A204", message, statement.keyword.span, labels=(label,))
        first.setdefault(keyword, statement)
    version = first["anet"].version if "anet" in first else None
    if version is not None and version.text != str(LANGUAGE_VERSION):
        yield Diagnostic(
            "A202",
            f"this program reads version {LANGUAGE_VERSION}, not {version.text[:40]}",
            version.span,
        )
    if statements and not tree.unknown_statements:
        end = len(tree.source.text.rstrip())
        for keyword in REQUIRED:
            if keyword not in first:
                yield Diagnostic("A203", f"the file has no `{keyword}` statement", Span(end, end))
