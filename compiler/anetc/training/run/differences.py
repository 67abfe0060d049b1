"""Name the options that differ between a run and the command that resumes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PARENT = ("init_from", "init_text", "new_head")
_OF_PARENT = "init_from"
_OF_TEXT = "network_sha256"
_RECIPES = "recipes"
_NAMES = {"words": "mirror_words", "pairs": "mirror_classes"}
"""Options by the name of the value of a recipe, where it differs."""
_OF_FORMAT = ("short_side", "fps", "when", "where", "clips", "fill")
"""Values of a recipe that follow from options and from the format of the data."""


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return each option that differs between two descriptions of a run, with both values.

    The descriptions are those of run.json, with all settings; they differ.
    """
    is_other_text = then.get(_OF_TEXT) != now.get(_OF_TEXT)
    lines = ["FILE: another text of the network now"] if is_other_text else []
    before, after = _options(then), _options(now)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    by_user = [name for name in names if name not in _OF_FORMAT]
    for name in by_user or names:
        shown = name if name in _OF_FORMAT else f"--{name.replace('_', '-')}"
        old, new = _shown(before.get(name)), _shown(after.get(name))
        if old == new:
            old, new = repr(before.get(name)), repr(after.get(name))
        lines.append(f"{shown}: {old} in this run, {new} now")
    return lines or ["its description, which another version of anetc has written"]


def _options(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by option. Where training and validation have one, it is a pair."""
    values = {k: v for k, v in description.items() if k not in (_OF_PARENT, _OF_TEXT, _RECIPES)}
    recipes = [_flat(description[_RECIPES][part]) for part in ("train", "validation")]
    train, validation = recipes
    for name in {**train, **validation}:
        own, other = train.get(name), validation.get(name)
        is_shared = name in ("frames", "size", *_OF_FORMAT) and own != other
        values[name] = {"training": own, "validation": other} if is_shared else own
    parent = description.get(_OF_PARENT) or []
    # run.json holds the text None where --init-text is not given.
    paths = [None if part == "None" else part for part in parent[:2]]
    given = (*paths, *[None] * (2 - len(paths)))
    return values | dict(zip(_PARENT, (*given, "new head" in parent[2:] or None)))


def _flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a recipe by option."""
    groups = ("augment", "mirror")
    values = {name: value for name, value in recipe.items() if name not in groups}
    for group in groups:
        values |= {_NAMES.get(name, name): v for name, v in recipe.get(group, {}).items()}
    # The defaults of an augmentation and of mirrored classes are as if they were not given.
    ratio = [3 / 4, 4 / 3]
    return {
        name: value
        for name, value in values.items()
        if not (name in recipe.get("augment", {}) and value in (0, None, ratio))
        and not (name in _NAMES.values() and not value)
    }


def _shown(value: Any) -> str:
    """Return a value as one writes it in a command, in short."""
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return " and ".join(f"{_shown(part)} for {name}" for name, part in value.items())
    if isinstance(value, list):
        if all(isinstance(part, int) for part in value):
            return "x".join(str(part) for part in value)
        if any(isinstance(part, list) for part in value):
            return f"{len(value)} pairs of classes"
        return ",".join(f"{part:.4g}" if isinstance(part, float) else str(part) for part in value)
    return str(value)
