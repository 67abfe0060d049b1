"""Find the videos of a list on the disk, whatever the Unicode form of their names.

Folders are listed once and kept, which is faster than a look at each of many files.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import attrs

from anetc.data.formats.directory_scan import folders_in, is_video_name, videos_below
from anetc.data.formats.lists.list_rows import ListRow
from anetc.data.split_names import split_of_name

_SAMPLE = 200
"""Number of rows that decide in which folders the videos are."""


@attrs.frozen(slots=False, eq=False)
class VideoFinder:
    """Videos below `root`; `videos` is the folder of the option, relative to it, or None."""

    root: Path
    videos: str | None
    _listed: dict[str, dict[str, str]] = attrs.field(factory=dict, repr=False)

    def find_all(self, rows: Sequence[ListRow]) -> list[str | None]:
        """Return the path of each row's video relative to `root`, or None if it is missing."""
        folders = self._folders(rows)
        return [self._find(row, folders) for row in rows]

    def listed_path(self, row: ListRow) -> str:
        """Return the path at which a missing video is expected."""
        name = row.paths[0] if row.paths else f"{row.stems[0]}.mp4"
        name = name.replace("\\", "/")
        return f"{self.videos}/{name}" if self.videos not in (None, ".") else name

    def exact(self, path: str) -> str | None:
        """Return the path as its parts are called on the disk, or None if there is no file."""
        start = "/" if path.startswith("/") else ""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts:
            return None
        folder = "/".join((*parts[:-1], "")) if parts[1:] else ""
        if found := self._entry(f"{start}{folder}", parts[-1]):
            return f"{start}{folder}{found}"
        if path.isascii():
            return None
        # A folder may have its name in another Unicode form.
        place = start
        for part in parts[:-1]:
            place += f"{self._entry(place, part) or part}/"
        found = self._entry(place, parts[-1])
        return found and f"{place}{found}"

    def _entry(self, folder: str, name: str) -> str | None:
        """Return the entry of this name, in any Unicode form, with or without its ending."""
        names = self._names(folder)
        normal = unicodedata.normalize("NFC", name)
        return names.get(name) or names.get(normal) or names.get(f"{normal}\0")

    def _find(self, row: ListRow, folders: Sequence[str]) -> str | None:
        for name in row.paths:
            for form in dict.fromkeys((name, name.replace("\\", "/"))):
                for folder in folders:
                    below = form.lstrip("/") if folder else form
                    if found := self.exact(f"{folder}{below}"):
                        return found
                if form.startswith("/") and (found := self.exact(form.lstrip("/"))):
                    return found
        for stem in row.stems:
            found_paths = self._by_stem.get(unicodedata.normalize("NFC", stem), ())
            for path in found_paths:
                # Published lists of several splits may have their videos in a folder for each.
                if any(split_of_name(part) == row.split for part in path.split("/")[:-1]):
                    return path
            if found_paths:
                return found_paths[0]
        return None

    def _folders(self, rows: Sequence[ListRow]) -> list[str]:
        """Return the folders that paths are relative to, with a slash, most used first."""
        if self.videos is not None:
            return ["" if self.videos == "." else f"{self.videos.rstrip('/') or ''}/"]
        below = [f"{name}/" for name in folders_in(self.root)]
        hits: Counter[str] = Counter()
        step = max(1, len(rows) // _SAMPLE)
        for row in rows[::step]:
            for folder in ("", *below):
                if any(self.exact(f"{folder}{name.lstrip('/')}") for name in row.paths):
                    hits[folder] += 1
        return [folder for folder, _ in hits.most_common()] or [""]

    def _names(self, folder: str) -> dict[str, str]:
        """Return the entries of a folder by name, by NFC and, with a zero byte, by stem."""
        if folder not in self._listed:
            try:
                with os.scandir(self.root / folder) as found:
                    entries = sorted(entry.name for entry in found)
            except (OSError, ValueError):
                entries = []
            normal = {unicodedata.normalize("NFC", name): name for name in reversed(entries)}
            stems = {
                f"{name.rpartition('.')[0]}\0": original
                for name, original in normal.items()
                if is_video_name(name)
            }
            self._listed[folder] = {**stems, **normal, **{name: name for name in entries}}
        return self._listed[folder]

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        folder = self.videos if self.videos not in (None, ".") else ""
        found: dict[str, list[str]] = defaultdict(list)
        if (self.root / folder).is_dir():
            for path in videos_below(self.root / folder):
                stem = unicodedata.normalize("NFC", path.rpartition("/")[2].rpartition(".")[0])
                found[stem].append(f"{folder}/{path}" if folder else path)
        return found
