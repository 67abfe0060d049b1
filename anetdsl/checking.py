"""Read and check a text or a file: the result is a network, with all findings.

Modules that only a text with findings needs are imported in functions, so that `anetc check` of a
file without findings starts fast.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, cast

import attrs
from lark import Token

from anetdsl.diagnostics import Diagnostic, Severity, did_you_mean, in_order
from anetdsl.errors import AnetError, CannotRun, cannot_read
from anetdsl.ir import Network
from anetdsl.rules import run_checks
from anetdsl.rules.elaborate import elaborate
from anetdsl.source import SourceFile, Span, is_utf16
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.vocabulary import MAX_FILE_BYTES, MAX_FINDINGS

if TYPE_CHECKING:
    from pathlib import Path

_ALLOW = re.compile(r"#\s*anetc:\s*allow\s+(\w+(?:(?:\s*,\s*|\s+)[A-Z]\d+\b)*)", re.ASCII)


@attrs.frozen
class Checked:
    """A text after checking. `network` is None if the text has errors."""

    source: SourceFile
    network: Network | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that are errors."""
        return tuple(d for d in self.diagnostics if d.is_error)


def check_source(
    source: SourceFile, *, search: bool = False, allow: Collection[str] = ()
) -> Checked:
    """Parse and check a text.

    With `search` some warnings are errors (`Code.for_search`). `allow` has the codes of warnings to
    leave out, besides those in `# anetc: allow` comments of the text.
    """
    if (unreadable := size_finding(source)) is not None:
        return Checked(source, None, (unreadable,))
    return check_tree(parse_syntax(source), search=search, allow=allow)


def check_tree(tree: SyntaxTree, *, search: bool = False, allow: Collection[str] = ()) -> Checked:
    """Check a text that is parsed already, as `check_source` does."""
    source = tree.source
    if len(tree.diagnostics) >= MAX_FINDINGS:  # The parser stopped here.
        return Checked(source, None, _limited(tree.diagnostics, source))
    elaborated = elaborate(tree)
    found = [*tree.diagnostics, *elaborated.diagnostics]
    found.extend(run_checks(elaborated.network, elaborated.incomplete, whole=not found))
    allowed, misused = _allow_comments(tree)
    allowed |= set(allow)
    if search:
        found = [_for_search(diagnostic) for diagnostic in found]
    found = [d for d in [*found, *misused] if d.is_error or d.code not in allowed]
    broken = any(diagnostic.is_error for diagnostic in found)
    return Checked(source, None if broken else elaborated.network, _limited(found, source))


def read_source(path: str | Path, data: bytes | None = None) -> SourceFile | Checked:
    """Read a file, or `data` under the name `path`. Return its text, or the error in its bytes.

    Raise CannotRun if the file cannot be read.
    """
    name = str(path)
    if data is None:
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError) as error:
            raise cannot_read(name, error) from None
    if len(data) > MAX_FILE_BYTES:
        return Checked(SourceFile(name, ""), None, (_too_large(),))
    try:
        return SourceFile(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", "replace")
        start = len(data[: error.start].decode("utf-8"))
        finding = Diagnostic(
            "A109",
            "the file is UTF-16 text; save it as UTF-8"
            if is_utf16(data)
            else f"byte {error.start} is not UTF-8 text (0x{data[error.start]:02x})",
            Span(start, start + 1),
        )
        return Checked(SourceFile(name, text), None, (finding,))


def check_file(
    path: str | Path,
    *,
    search: bool = False,
    allow: Collection[str] = (),
    data: bytes | None = None,
) -> Checked:
    """Read and check a file, or `data` under the name `path`. Raise CannotRun as `read_source`."""
    source = read_source(path, data)
    if isinstance(source, Checked):
        return source
    return check_source(source, search=search, allow=allow)


def network_of(checked: Checked) -> Network:
    """Return the network. If there is none, raise AnetError, whose message has every error."""
    if checked.network is not None:
        return checked.network
    from anetdsl.rendering.findings import render_text  # Needed only for errors.

    raise AnetError(render_text(checked.source, checked.errors).rstrip(), checked.errors)


def check_allowed_codes(codes: Collection[str]) -> None:
    """Raise CannotRun for a code that is not the code of a warning."""
    if codes:
        from anetdsl.codes import WARNINGS

        for code in codes:
            if code not in WARNINGS:
                raise CannotRun(_not_allowable(code))


def size_finding(source: SourceFile) -> Diagnostic | None:
    """Return the finding about a text that is too large, or None."""
    if len(source.text) <= MAX_FILE_BYTES // 4:
        return None
    size = len(source.text.encode("utf-8", "surrogatepass"))
    return _too_large() if size > MAX_FILE_BYTES else None


def _too_large() -> Diagnostic:
    message = f"the file is larger than {MAX_FILE_BYTES:,} bytes"
    return Diagnostic("A110", message, Span(0, 0), help="check that this is the right file")


def _limited(found: Sequence[Diagnostic], source: SourceFile) -> tuple[Diagnostic, ...]:
    """Return the findings in order. Of very many, keep the first of each code and the errors."""
    ordered = in_order(found)
    if len(ordered) < MAX_FINDINGS:
        return ordered
    first_of_code = {diagnostic.code: diagnostic for diagnostic in reversed(ordered)}
    ranked = sorted(ordered, key=lambda d: (first_of_code[d.code] is not d, d.severity.value))
    end = len(source.text)
    message = f"there may be more than these {MAX_FINDINGS:,} findings"
    more = Diagnostic("A608", message, Span(end, end), Severity.WARNING)
    return (*in_order(ranked[:MAX_FINDINGS]), more)


def _for_search(diagnostic: Diagnostic) -> Diagnostic:
    from anetdsl.codes import CODES

    if CODES[diagnostic.code].for_search:
        return attrs.evolve(diagnostic, severity=Severity.ERROR)
    return diagnostic


def _allow_comments(tree: SyntaxTree) -> tuple[set[str], list[Diagnostic]]:
    """Return the warnings that comments allow, and findings about comments that allow nothing."""
    allowed: set[str] = set()
    misused: list[Diagnostic] = []
    for token in tree.tokens:
        match = _ALLOW.match(token) if token.type == "COMMENT" else None
        if match is None:
            continue
        from anetdsl.codes import WARNINGS  # Needed only with such a comment.

        for code in re.finditer(r"[A-Za-z0-9_]+", match[1]):
            if code[0] in WARNINGS:
                allowed.add(code[0])
            else:
                misused.append(_misused_allow(token, match.start(1) + code.start(), code[0]))
    return allowed, misused


def _misused_allow(comment: Token, offset: int, code: str) -> Diagnostic:
    start = cast(int, comment.start_pos) + offset
    span = Span(start, start + len(code))
    return Diagnostic("A607", _not_allowable(code), span, Severity.WARNING)


def _not_allowable(code: str) -> str:
    from anetdsl.codes import CODES, WARNINGS

    if code in CODES:
        return f"{code} is an error and cannot be allowed"
    guess = did_you_mean(code, WARNINGS)
    return f"{code[:40]} is not a warning" + (f"; did you mean {guess}?" if guess else "")
