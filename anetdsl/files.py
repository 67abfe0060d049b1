"""Write files atomically: a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from anetdsl.errors import CannotRun

_DAY = 24 * 3600
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk, quota or limit that is too small."""


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; move it to `path` after the block.

    After an exception in the block the temporary file is deleted instead. If `path` is a link, its
    target is replaced. The permissions of an existing file are kept. Raise CannotRun, with the
    path, if the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f".anetc-{secrets.token_hex(8)}.part")
    try:
        if target.is_dir():
            raise CannotRun(f"{path}: is a folder")
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield part
        with contextlib.suppress(FileNotFoundError):
            part.chmod(target.stat().st_mode & 0o7777)
        part.replace(target)
    except OSError as error:
        raise CannotRun(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_atomically(path: str | Path, data: str | bytes, *, durable: bool = False) -> None:
    """Replace the content of a file atomically. A str is written as UTF-8, line ends unchanged.

    With `durable` the data is on the disk before it replaces the old content. A device or a pipe,
    such as /dev/null, is written to directly. Raise CannotRun, with the path, if writing fails.
    """
    encoded = data.encode("utf-8") if isinstance(data, str) else data
    if is_device(path):
        try:
            Path(path).write_bytes(encoded)
        except OSError as error:
            raise CannotRun(f"{path}: cannot be written: {error.strerror or error}") from None
        return
    with replacing(path) as part:
        part.write_bytes(encoded)
        if durable:
            with part.open("rb") as file:
                os.fsync(file.fileno())


def make_folder(path: str | Path) -> None:
    """Make a folder and its parents if they do not exist. Raise CannotRun if that fails."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"{path}: cannot be created: {error.strerror}") from None


def remove_unfinished(folder: Path) -> None:
    """Delete what killed processes have left in a folder: unfinished files older than a day."""
    for part in folder.glob(".anetc-*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _DAY:
                part.unlink()


def check_writable(path: str | Path) -> None:
    """Raise CannotRun if it is clear in advance that a file cannot be written."""
    path = Path(path)
    try:
        if path.is_dir():
            raise CannotRun(f"{path}: is a folder")
        folder = path.resolve().parent
        if not folder.is_dir():
            raise CannotRun(f"{path}: cannot be written: there is no folder {folder.name}")
        if not os.access(folder, os.W_OK) and not is_device(path):
            raise CannotRun(f"{path}: cannot be written: no permission to write there")
        if path.exists() and not os.access(path, os.W_OK):
            raise CannotRun(f"{path}: cannot be written: no permission to replace it")
    except OSError as error:
        raise CannotRun(f"{path}: cannot be written: {error.strerror or error}") from None


def check_not_input(target: str | Path, *sources: str | Path | None) -> None:
    """Raise CannotRun if writing `target` would overwrite one of the files it is made from."""
    for source in sources:
        with contextlib.suppress(OSError):
            if source is not None and Path(target).samefile(source):
                raise CannotRun(f"{target}: is also the input; choose another output file")


def check_file_of(folder: Path, path: Path) -> None:
    """Check that reading a file of a folder does not wait, and does not leave the folder.

    Raise OSError if the file is missing, is no regular file, or is a link to a place outside the
    folder: a page about a run shows nothing else, also if somebody else has made the run.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # Reading a FIFO would wait for a writer.
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise OSError(errno.EACCES, f"it is a link to a place outside {folder}", str(path))


def is_device(path: str | Path) -> bool:
    """Return whether a path exists and is neither a file nor a folder, such as /dev/null."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
