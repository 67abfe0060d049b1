"""Settings that an editor gives to the language server."""

from __future__ import annotations

import re
from typing import Any

import attrs

from anetdsl.checking import check_allowed_codes
from anetdsl.errors import CannotRun
from anetdsl.settings_reader import InvalidSetting, between, named_values, read_value

_SIZE = re.compile(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?")


def _size(value: object) -> tuple[int, int]:
    """Return (height, width) of 224, "224" or "128x160". Raise ValueError for other values."""
    match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value))
    if match is None:
        raise ValueError(f'{value!r} is not a size; write 224, or "HEIGHTxWIDTH" such as "128x160"')
    return int(match[1]), int(match[2] or match[1])


@attrs.frozen
class ClientSettings:
    """Settings of an editor. The clip is the one for which costs are computed."""

    frames: int = attrs.field(default=32, validator=between(1, 100_000))
    size: tuple[int, int] = attrs.field(default=(224, 224), metadata={"reader": _size})
    """Height and width of the clip in pixels."""
    search: bool = False
    """True to check by the stricter rules of a search."""
    allow: tuple[str, ...] = ()
    """Codes of warnings that are not reported."""

    @property
    def clip(self) -> str:
        """The clip as text."""
        return f"{self.frames} frames, {self.size[0]} x {self.size[1]} pixels"


def read_client_settings(values: Any) -> ClientSettings:
    """Return the settings in values from an editor: settings by name, or nothing.

    Neovim sends no settings as an empty list.

    Raise CannotRun, with a text for the user, for a value that cannot be used.
    """
    if values is None or values == []:
        return ClientSettings()
    given = named_values(values, "settings of anet")
    try:
        # A client may send settings that are for itself, such as the path of the program.
        known = [name for name in given.values if name not in ("server", "trace")]
        other = [name for name in given.values if name not in known]
        settings = read_value(given.without(*other), ClientSettings)
        check_allowed_codes(settings.allow)
    except InvalidSetting as error:
        raise CannotRun(f"settings of anet: {error}") from None
    return settings
