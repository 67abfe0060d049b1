"""Writing files so that a reader never sees half of one, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from anetdsl.errors import CannotRun


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`: it takes its place when the block ends well, else it goes.

    A link is followed: what it points to is replaced. An existing file's permissions are kept.
    Raises CannotRun, naming the file, when writing fails.
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
    """Replace a file's content at once, or leave it as it is. Text is written as UTF-8, as given.

    `durable`: it is on the disk before it takes its place, whatever the machine does then.

    What is there and is no file, such as /dev/null or a pipe, is written to. Raises CannotRun,
    naming the file, when writing fails.
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


def check_writable(path: str | Path) -> None:
    """Raise CannotRun where a file cannot be written, as far as that can be told before."""
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


def check_spared(target: str | Path, *sources: str | Path | None) -> None:
    """Raise CannotRun where writing a file would overwrite one that it is made of."""
    for source in sources:
        with contextlib.suppress(OSError):
            if source is not None and Path(target).samefile(source):
                raise CannotRun(f"{target}: is what is read; name another file to write to")


def is_device(path: str | Path) -> bool:
    """Whether something is there that is neither a file nor a folder, as /dev/null or a pipe."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
