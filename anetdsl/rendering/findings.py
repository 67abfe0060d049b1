"""Print diagnostics: the line of the text, carets below the exact place, labels and help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from anetdsl.diagnostics import Diagnostic, Severity
from anetdsl.source import SourceFile, Span
from anetdsl.terminal import columns, visible

_LONGEST_LINE = 120
"""Characters of a line that are printed; of a longer line, the part around the place."""
_CUT = "..."
_STYLES = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "place": "\x1b[34m", "help": "\x1b[36m"}
_RESET = "\x1b[0m"

Mark = tuple[Span, str, str]
"""A place, the sign below it, and a short text."""


def render_text(
    source: SourceFile, diagnostics: Iterable[Diagnostic], *, colour: bool = False
) -> str:
    """Return diagnostics as text, each followed by a blank line. `colour` uses ANSI escapes."""
    return "".join(_render(source, diagnostic, colour) + "\n" for diagnostic in diagnostics)


def render_concise(source: SourceFile, diagnostics: Iterable[Diagnostic]) -> str:
    """Return a line per diagnostic, `file:line:column: error[code]: message`, as of compilers."""
    return "".join(
        f"{_place(source, d.span)}: {_severity(d)}[{d.code}]: {visible(d.message)}\n"
        for d in diagnostics
    )


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the numbers of errors and warnings, such as "2 errors and 1 warning"."""
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
    marks: list[Mark] = [(diagnostic.span, "^", diagnostic.note)]
    marks += [(label.span, "-", label.text) for label in diagnostic.labels]
    excerpts = _excerpts(source, marks)
    gutter = len(str(excerpts[-1].line + 1))
    bar = paint("place", " " * gutter + " |")
    head = paint(severity, f"{severity}[{diagnostic.code}]: {visible(diagnostic.message)}")
    lines = [head, paint("place", f"{' ' * gutter}--> ") + _place(source, diagnostic.span), bar]
    previous: int | None = None
    for excerpt in excerpts:
        if previous is not None and excerpt.line > previous + 1:
            lines.append(paint("place", " " * gutter + " :"))
        number = str(excerpt.line + 1).rjust(gutter)
        lines.append(f"{paint('place', f'{number} |')} {excerpt.printed}".rstrip())
        for span, sign, text in excerpt.marks:
            indent, signs = excerpt.carets(span, sign)
            style = severity if sign == "^" else "place"
            lines.append(f"{bar} {' ' * indent}{paint(style, f'{signs} {visible(text)}'.rstrip())}")
        previous = excerpt.line
    if diagnostic.help:
        lines.append(paint("help", f"{' ' * gutter} = help: ") + visible(diagnostic.help))
    return "\n".join(lines) + "\n"


@attrs.frozen
class _Excerpt:
    """A line or, of a long one, a part of it, and the marks below it from left to right."""

    line: int
    text: str
    start: int
    """Offset of `text` in the file."""
    cut: tuple[bool, bool]
    """True if the line has more characters before and after `text`."""
    marks: list[Mark] = attrs.Factory(list)

    @property
    def printed(self) -> str:
        """The text as printed."""
        before, after = (_CUT if cut else "" for cut in self.cut)
        return before + visible(self.text) + after

    def contains(self, line: int, span: Span) -> bool:
        """Return whether the place of a mark is in this text."""
        return line == self.line and self.start <= span.start <= self.start + len(self.text)

    def carets(self, span: Span, sign: str) -> tuple[int, str]:
        """Return the indentation of the signs below a span, and the signs: at least one."""
        begin = span.start - self.start
        end = max(begin, min(span.end - self.start, len(self.text)))
        indent = len(_CUT) * self.cut[0] + columns(self.text[:begin])
        return indent, sign * max(1, columns(self.text[begin:end]))


def _excerpts(source: SourceFile, marks: Sequence[Mark]) -> list[_Excerpt]:
    """Return the lines with the marks, in order. Distant marks on a line get separate excerpts."""
    excerpts: list[_Excerpt] = []
    for mark in sorted(marks, key=lambda mark: mark[0].start):
        line = source.position(mark[0].start).line
        if not (excerpts and excerpts[-1].contains(line, mark[0])):
            excerpts.append(_excerpt(source, line, mark[0]))
        excerpts[-1].marks.append(mark)
    return excerpts


def _excerpt(source: SourceFile, line: int, span: Span) -> _Excerpt:
    text, start = source.line_text(line), source.line_span(line).start
    if len(text) <= _LONGEST_LINE:
        return _Excerpt(line, text, start, (False, False))
    begin = max(0, min(span.start - start - _LONGEST_LINE // 3, len(text) - _LONGEST_LINE))
    end = begin + _LONGEST_LINE
    return _Excerpt(line, text[begin:end], start + begin, (begin > 0, end < len(text)))
