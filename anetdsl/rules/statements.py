"""Rules about the statements of a file: which ones there are, and how often."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.diagnostics import Diagnostic, Fix, Label
from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import StatementNode, SyntaxTree
from anetdsl.vocabulary import LANGUAGE_VERSION, REQUIRED, STATEMENTS


def check_statements(tree: SyntaxTree) -> Iterator[Diagnostic]:
    """Check A201 to A204: the version is first, and no statement is missing or repeated."""
    statements = tree.statements
    yield from _version_first(tree)
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
    missing = [f"`{keyword}`" for keyword in REQUIRED if keyword not in first]
    if missing and statements and not tree.unknown_statements:
        end = len(tree.source.text.rstrip())
        *others, last = missing
        names = f"{', '.join(others)} or {last}" if others else last
        yield Diagnostic("A203", f"the file has no {names} statement", Span(end, end))


def _version_first(tree: SyntaxTree) -> Iterator[Diagnostic]:
    """Check A201: the first statement is the version."""
    statements, text = tree.statements, tree.source.text
    first_start = statements[0].span.start if statements else len(text)
    if any(diagnostic.span.start < first_start for diagnostic in tree.diagnostics):
        return  # This finding may be about the version.
    if not statements:
        message = "the file is empty: the first statement is `anet 1`, the version of the language"
        yield Diagnostic("A201", message, Span(0, 0))
    elif statements[0].keyword.text != "anet":
        message = "the first statement must be `anet 1`, the version of the language"
        later = next((s.keyword.span for s in statements if s.keyword.text == "anet"), None)
        insertion = Edit(Span(first_start, first_start), f"anet 1{tree.source.newline}")
        yield Diagnostic(
            "A201",
            message,
            statements[0].keyword.span,
            labels=() if later is None else (Label(later, "it is here"),),
            fix=Fix("insert `anet 1`", (insertion,)) if later is None else None,
        )
