"""Compile the native kernels once per machine, and load them.

The library has a C interface and uses neither Python nor PyTorch. It is compiled for the processor
of this machine, and kept in the cache folder under a key of source, compiler, flags and processor.
Without a C++ compiler, everything runs without it.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import itertools
import logging
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from anetc.native.processor import describe_processor
from anetdsl.cache import cache_folder, make_cache_folder
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.locks import LocksUnsupported, locked

SWITCH = "ANETC_NATIVE"
"""Environment variable; 0 turns the native kernels off."""
NO_KERNELS = "none"
"""Record of a computation without native kernels, in place of their version."""
SOURCE = Path(__file__).resolve().parent / "source"
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
_FOR_THIS_PROCESSOR = ("-march=native", "-mcpu=native")
_THREADS = ("-fopenmp", "-pthread")
"""Flags for loops over several threads; the second is for compilers without OpenMP."""
_FOLDER = "native"
_ONCE = "once on this machine (about 15 s)"
_WAIT_SECONDS = 120.0
_COMPILE_SECONDS = 300

_log = logging.getLogger(__name__)


class NoNativeKernels(CannotRun):
    """The native kernels cannot be used; the message is the reason."""


@attrs.frozen
class NativeLibrary:
    """The functions of the compiled kernels."""

    path: str
    run_float: Callable[..., None]
    run_double: Callable[..., None]
    instruction_size: int

    @property
    def version(self) -> str:
        """Key of source, compiler, flags and processor."""
        return Path(self.path).stem

    def __reduce__(self) -> tuple[Callable[[], NativeLibrary], tuple[()]]:
        """Copy and pickle the library by loading it again."""
        return library, ()


def compiler() -> tuple[str, ...]:
    """Return the words that call a C++ compiler: those of CXX if it is set, else c++, g++, clang++.

    The first word is the path of the program. Raise NoNativeKernels if there is none.
    """
    given = os.environ.get("CXX", "")
    try:
        words = shlex.split(given)
    except ValueError:
        words = [given]
    for name in words[:1] or ("c++", "g++", "clang++"):
        if path := shutil.which(name):
            return (path, *words[1:])
    if words:
        raise NoNativeKernels(f"CXX={given}: there is no program {words[0]}")
    raise NoNativeKernels("no C++ compiler was found (c++, g++ or clang++, or that of CXX)")


def is_switched_off() -> bool:
    """Return whether the environment turns the native kernels off."""
    return os.environ.get(SWITCH, "1") == "0"


def library() -> NativeLibrary:
    """Return the library; compile it first if that was not done before on this machine.

    Wait for another process that compiles it. Raise NoNativeKernels if they are switched off,
    or cannot be compiled or loaded. A reason other than the switch is logged once.
    """
    if is_switched_off():
        raise NoNativeKernels(f"{SWITCH}=0 turns the native kernels off")
    if "library" not in _results:
        _results["library"] = _found()
    found = _results["library"]
    if isinstance(found, NoNativeKernels):
        raise found
    return found


def library_or_none() -> NativeLibrary | None:
    """Return the library, or None if there is none."""
    try:
        return library()
    except NoNativeKernels:
        return None


def preparation() -> str | None:
    """Return a line about kernels that have to be compiled first, or cannot be; else None."""
    if is_switched_off():
        return None
    try:
        if Path(cache_folder(), _FOLDER, _name(compiler())).is_file():
            return None
    except (NoNativeKernels, OSError) as error:
        return f"{error}: training on the CPU runs without native kernels, which takes longer"
    return f"the first training on the CPU compiles the native kernels, {_ONCE}"


_results: dict[str, NativeLibrary | NoNativeKernels] = {}
"""The library of this process, or the reason why there is none."""


def _found() -> NativeLibrary | NoNativeKernels:
    try:
        return _loaded(_compiled())
    except NoNativeKernels as error:
        reason = error
    except (CannotRun, OSError, AttributeError) as error:
        reason = NoNativeKernels(f"the native kernels cannot be loaded: {error}")
    _log.info("training without native kernels, which takes longer: %s", reason)
    return reason


def _compiled() -> Path:
    """Return the path of the compiled library. If another process compiles it, wait for it."""
    command = compiler()
    folder = Path(make_cache_folder(_FOLDER))
    path = folder / _name(command)
    if path.is_file():
        return path
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(LocksUnsupported):  # then several processes may compile
            lock = locked(
                folder / "compile.lock", seconds=_WAIT_SECONDS, busy=_too_slow, remove=False
            )
            stack.enter_context(lock)
        if not path.is_file():
            _log.info("compiling the native kernels, %s", _ONCE)
            _compile(command, path)
    return path


def _too_slow(holder: str) -> str:
    return f"{holder} has not compiled them within {_WAIT_SECONDS:.0f} s"


def _compile(command: Sequence[str], path: Path) -> None:
    """Compile the library, without optional flags that this compiler does not have."""
    problem = ""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        result = Path(folder, path.name)
        for processor, threads in itertools.product(_FOR_THIS_PROCESSOR, _THREADS):
            flags = (*_FLAGS, processor, threads)
            try:
                done = subprocess.run(
                    [*command, *flags, str(SOURCE / "program.cpp"), "-o", str(result)],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=_COMPILE_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise NoNativeKernels(f"{command[0]} failed: {error}") from None
            if done.returncode == 0:
                write_atomically(path, result.read_bytes(), durable=True)
                return
            problem = problem or (done.stderr.strip().splitlines() or ["no message"])[0]
    raise NoNativeKernels(f"{command[0]} cannot compile the native kernels: {problem}")


def _loaded(path: Path) -> NativeLibrary:
    loaded = ctypes.CDLL(str(path))
    functions = []
    for name in ("anetc_run_float", "anetc_run_double"):
        function = getattr(loaded, name)
        function.restype = None
        pointer = ctypes.c_void_p
        function.argtypes = [pointer, ctypes.c_int64, pointer, pointer, ctypes.c_int]
        functions.append(function)
    run_float, run_double = functions
    return NativeLibrary(str(path), run_float, run_double, loaded.anetc_instruction_size())


def _name(command: Sequence[str]) -> str:
    """Return the file name of the library: a key of everything that it depends on."""
    key = hashlib.sha256()
    for path in sorted(SOURCE.iterdir()):
        key.update(path.name.encode() + b"\0" + path.read_bytes())
    tool = Path(command[0]).resolve()
    state = tool.stat()
    for part in (
        _FLAGS,
        _FOR_THIS_PROCESSOR,
        _THREADS,
        str(tool),
        command[1:],
        state.st_size,
        state.st_mtime_ns,
    ):
        key.update(repr(part).encode())
    key.update(describe_processor().encode())
    return f"{key.hexdigest()[:24]}.so"
