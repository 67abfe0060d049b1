"""Lists of mmaction2 and SlowFast: a path and its labels in each line, without column names.

    videos/a.mp4 3         one label, a number or a name
    videos/a.mp4,3
    videos/a.mp4 3 17      several labels, numbers
    videos/a.mp4,3,17      (also `videos/a.mp4 3,17` and with quotes)

A path may contain spaces. Lines that begin with `#` and a blank are comments. A path may begin with
`#` if it has the ending of a video; other lines with `#` are left out with a warning.

Lists of folders with frames (`folder frames label`) cannot be used.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from anetc.data.formats.directory_scan import is_video_name
from anetc.data.formats.lists.label_numbers import is_number
from anetc.data.formats.lists.list_rows import ListRow, VideoList, label_of
from anetc.data.formats.text_files import line_error, lines
from anetc.data.values import Split

_QUOTES = "\"'"
_log = logging.getLogger("anetc.data")
_FORM = "expected `path label` or `path,label`"


def read_path_list(path: Path, split: Split | None) -> VideoList:
    """Read a list; `split` is the split of its videos. Raises CannotRun."""
    rows: list[ListRow] = []
    comments: list[tuple[int, str]] = []
    unlabelled = 0
    for line, text in lines(path):
        if _is_comment(text):
            if text[1:2].strip():
                comments.append((line, text[:80]))
            continue
        name, labels = _parse(path, line, text)
        if not labels:
            unlabelled += 1
            if split != "test" or rows:
                raise line_error(path, line, f"{_FORM}, not `{text[:80]}`")
            continue
        if unlabelled:
            raise line_error(path, line, "this video has a label, the videos before have none")
        rows.append(ListRow(path, line, (name,), (), labels, split))
    if comments:
        more = f" and {len(comments) - 1} more" if len(comments) > 1 else ""
        _log.warning("%s:%d: taken as a comment: %s%s", path, *comments[0], more)
    hidden: frozenset[Split] = frozenset({split}) if unlabelled and split else frozenset()
    return VideoList(rows, unlabelled=hidden)


def is_path_list(path: Path) -> bool:
    """Return whether the first line of a file has the path of a video and a label."""
    for _, text in lines(path):
        if _is_comment(text):
            continue
        name, rest = _cut(text)
        return bool(rest.strip(" \t,;")) and is_video_name(Path(name).name)
    return False


def _is_comment(text: str) -> bool:
    """Return whether a line begins with # and is not the path of a video and a label."""
    if not text.startswith("#"):
        return False
    name, rest = _cut(text)
    return not text[1:2].strip() or not (rest.strip(" \t,;") and is_video_name(Path(name).name))


def _cut(text: str) -> tuple[str, str]:
    """Return the path, which ends at the last word with the ending of a video, and the rest."""
    if text[0] in _QUOTES and (end := text.find(text[0], 1)) > 0:
        return text[1:end], text[end + 1 :]
    ends = [
        match.end()
        for match in re.finditer(r"\.\w{2,5}(?=[\s,;]|$)", text)
        if is_video_name(f"x{match[0]}")
    ]
    if ends:
        return text[: ends[-1]], text[ends[-1] :]
    # Without an ending: labels are the numbers at the end, or the last word.
    match = re.fullmatch(r"(.*?)((?:[\s,;]+\d+)+)", text) or re.fullmatch(
        r"(.*?)([\s,;]+[^\s,;]+)", text
    )
    return (match[1], match[2]) if match else (text, "")


def _parse(path: Path, line: int, text: str) -> tuple[str, tuple[str | int, ...]]:
    name, rest = _cut(text)
    parts = [part.strip(_QUOTES) for part in re.split(r"[\s,;]+", rest) if part.strip(_QUOTES)]
    if not name.strip():
        raise line_error(path, line, f"{_FORM}, not `{text[:80]}`")
    if all(map(is_number, parts)):
        if len(parts) == 2 and not is_video_name(Path(name).name):
            raise line_error(
                path,
                line,
                f"`{text[:80]}` seems to name a folder of frames, their number and a label; "
                "only video files can be used",
            )
        return name, tuple(dict.fromkeys(map(label_of, parts)))
    if rest.lstrip()[:1] in (",", ";") or "\t" in rest:
        cells = [cell.strip().strip(_QUOTES) for cell in re.split(r"[,;\t]", rest)]
        labels = [cell for cell in cells if cell]
        if len(labels) > 1:
            raise line_error(
                path,
                line,
                f"{_FORM}, not `{text[:80]}`; several names of classes need a table with the "
                "columns path and labels",
            )
        return name, (labels[0],)
    return name, (" ".join(parts),)
