"""Diagnostics as text: the line, carets beneath the exact place, labels, help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anetdsl.diagnostics import Diagnostic, Severity
from anetdsl.rendering.screen import columns, visible
from anetdsl.source import SourceFile, Span

_LONGEST_LINE = 120
"""Of a longer line only a window around the place is shown."""
_STYLES = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "place": "\x1b[34m", "help": "\x1b[36m"}
_RESET = "\x1b[0m"


def render_text(
    source: SourceFile, diagnostics: Iterable[Diagnostic], *, colour: bool = False
) -> str:
    """Diagnostics for people, a blank line after each. `colour` uses ANSI escapes."""
    return "".join(_render(source, diagnostic, colour) + "\n" for diagnostic in diagnostics)


def render_concise(source: SourceFile, diagnostics: Iterable[Diagnostic]) -> str:
    """One line each, `file:line:column: error[code]: message`, as compilers print them."""
    return "".join(
        f"{_place(source, d.span)}: {_severity(d)}[{d.code}]: {visible(d.message)}\n"
        for d in diagnostics
    )


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """How many errors and warnings there are, in words."""
    errors = sum(diagnostic.is_error for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    parts = [_count(errors, "error")] if errors else []
    parts += [_count(warnings, "warning")] if warnings else []
    return " and ".join(parts) or "no findings"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _severity(diagnostic: Diagnostic) -> str:
    return "error" if diagnostic.severity is Severity.ERROR else "warning"


def _place(source: SourceFile, span: Span) -> str:
    position = source.position(span.start)
    return f"{visible(source.name)}:{position.line + 1}:{position.column + 1}"


def _render(source: SourceFile, diagnostic: Diagnostic, colour: bool) -> str:
    def paint(style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if colour else text

    severity = _severity(diagnostic)
    marks = [(diagnostic.span, "^", diagnostic.note)]
    marks += [(label.span, "-", label.text) for label in diagnostic.labels]
    by_line: dict[int, list[tuple[Span, str, str]]] = {}
    for mark in marks:
        by_line.setdefault(source.position(mark[0].start).line, []).append(mark)
    gutter = len(str(max(by_line) + 1))
    bar = paint("place", " " * gutter + " |")
    head = paint(severity, f"{severity}[{diagnostic.code}]: {visible(diagnostic.message)}")
    lines = [head, paint("place", f"{' ' * gutter}--> ") + _place(source, diagnostic.span), bar]
    previous: int | None = None
    for line in sorted(by_line):
        if previous is not None and line > previous + 1:
            lines.append(paint("place", " " * gutter + " :"))
        shown, start = _window(source, line, by_line[line][0][0])
        number = str(line + 1).rjust(gutter)
        lines.append(f"{paint('place', f'{number} |')} {visible(shown)}".rstrip())
        for span, sign, text in sorted(by_line[line], key=lambda mark: mark[0].start):
            caret = _carets(span, sign, shown, start)
            style = severity if sign == "^" else "place"
            lines.append(
                f"{bar} {' ' * caret[0]}{paint(style, f'{caret[1]} {visible(text)}'.rstrip())}"
            )
        previous = line
    if diagnostic.help:
        lines.append(paint("help", f"{' ' * gutter} = help: ") + visible(diagnostic.help))
    return "\n".join(lines) + "\n"


def _window(source: SourceFile, line: int, span: Span) -> tuple[str, int]:
    """The part of a line to show, and the offset in the text where it starts."""
    text, start = source.line_text(line), source.line_span(line).start
    if len(text) <= _LONGEST_LINE:
        return text, start
    column = span.start - start
    begin = max(0, min(column - _LONGEST_LINE // 3, len(text) - _LONGEST_LINE))
    return text[begin : begin + _LONGEST_LINE], start + begin


def _carets(span: Span, sign: str, shown: str, start: int) -> tuple[int, str]:
    """How far to indent the signs beneath a span, and the signs; one at least, all on one line."""
    begin = max(0, min(span.start - start, len(shown)))
    end = max(begin, min(span.end - start, len(shown)))
    return columns(shown[:begin]), sign * max(1, columns(shown[begin:end]))
