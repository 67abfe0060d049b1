"""Definitions, references and renaming of names."""

from __future__ import annotations

import attrs

from anetdsl.language_server.analysis import Analysis, peers_of, sources_of
from anetdsl.language_server.text_places import defined_name, place_at
from anetdsl.source import Edit, Span
from anetdsl.text.edits import rename, set_network_name

_NOT_WHOLE = "correct the syntax errors first: `{}` also stands where the text cannot be read"


@attrs.frozen
class Occurrence:
    """A place of a name, and whether it defines the name."""

    span: Span
    is_definition: bool


def definition_at(analysis: Analysis, offset: int) -> Span | None:
    """Return the place where the name at an offset is defined, or None."""
    name = defined_name(place_at(analysis, offset))
    statement = analysis.definitions.get(name) if name is not None else None
    return statement.name.span if statement is not None and statement.name is not None else None


def occurrences_at(analysis: Analysis, offset: int) -> list[Occurrence]:
    """Return all places of the name at an offset, in reading order."""
    place = place_at(analysis, offset)
    name = defined_name(place)
    if name is None:
        is_network = place is not None and place.kind == "name"
        return [Occurrence(place.span, True)] if place is not None and is_network else []
    found: list[Occurrence] = []
    for statement in analysis.tree.statements:
        own = statement.name
        if statement.keyword.text in ("input", "node") and own is not None and own.text == name:
            found.append(Occurrence(own.span, True))
        for item in (*sources_of(statement), *peers_of(statement)):
            if item.value.text == name:
                found.append(Occurrence(item.value.span, False))
    return found


def renamable_at(analysis: Analysis, offset: int) -> Span | None:
    """Return the place of the name at an offset if it can be renamed, or None."""
    occurrences = occurrences_at(analysis, offset)
    if not any(occurrence.is_definition for occurrence in occurrences):
        return None
    place = place_at(analysis, offset)
    return place.span if place is not None else None


def rename_at(analysis: Analysis, offset: int, new: str) -> tuple[Edit, ...]:
    """Return the edits that rename the name at an offset, everywhere.

    Raise ValueError, with a text for the user, if this is not possible.
    """
    place = place_at(analysis, offset)
    if place is None or renamable_at(analysis, offset) is None:
        raise ValueError("there is no name of an input, a node or the network here")
    name = defined_name(place)
    if name is None:
        return set_network_name(analysis.tree, new)
    edits = rename(analysis.tree, name, new)
    if edits and analysis.tree.diagnostics:
        changed = {edit.span for edit in edits}
        for span in _unread_words(analysis, name):
            if span not in changed:
                raise ValueError(_NOT_WHOLE.format(name))
    return edits


def _unread_words(analysis: Analysis, name: str) -> list[Span]:
    """Return the places of a word in parts of the text that may be read incompletely."""
    tree = analysis.tree
    whole = [statement.span for statement in tree.statements if not statement.broken]
    found = []
    for token in tree.tokens:
        if token.type != "NAME" or str(token) != name:
            continue
        span = Span(token.start_pos, token.end_pos)  # type: ignore[arg-type]
        if not any(other.start <= span.start < other.end for other in whole):
            found.append(span)
    return found
