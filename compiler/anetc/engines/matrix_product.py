"""Matrix products of training steps, by the library that is faster on this processor.

PyTorch computes products in single precision by its BLAS library (MKL in the packages for x86).
oneDNN, which PyTorch also contains, is up to 2.4 times as fast on some processors, and slower on
others. So both are measured once, with one thread, in about 0.1 s. The result is kept in the cache
folder for this processor and this version of PyTorch, so that all processes use one library: the
two round differently. The checkpoints of a run record the library, and a resumed run goes on with
the recorded one.

The variable ANETC_PRODUCTS (`blas` or `onednn`) in the environment replaces the measurement.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from anetc.native.processor import describe_processor
from anetdsl.cache import cache_folder, make_cache_folder
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

Library = Literal["blas", "onednn"]
VARIABLE = "ANETC_PRODUCTS"

MIN_MULTIPLY_ADDS = 1 << 24
"""Multiply-adds from which a product may be oneDNN's. Each of its calls takes about 10 us more."""
_GAIN = 1.05
"""Speed of oneDNN, relative to BLAS, from which it is used; smaller gains are noise."""
_SHAPES = ((784, 1024, 256), (3136, 512, 128))
"""Rows, inner size and columns of the measured products, which Table 4 has."""
_ROUNDS = 7

_ops: Any = torch.ops.mkldnn
_used: list[Library] = []
"""The library that this process uses, once it is known."""


def product(a: Tensor, b: Tensor, summand: Tensor | None = None) -> Tensor:
    """Return a (M, K) times b (K, N), plus `summand` (M, N), as a new tensor without gradient."""
    if not _by_onednn(a, b):
        return a @ b if summand is None else torch.addmm(summand, a, b)
    result: Tensor = _ops._linear_pointwise(a, b.t(), None, "none", [], "")
    return result if summand is None else result.add_(summand)


def add_product(total: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Add a (M, K) times b (K, N) to total (M, N) in place, and return `total`."""
    if not _by_onednn(a, b):
        return total.addmm_(a, b)
    return total.add_(product(a, b))


def product_library() -> Library:
    """Return the library that this process uses for large products, measured if need be.

    Raise CannotRun for a variable ANETC_PRODUCTS that names no library.
    """
    if not _used:
        _used.append(_choose())
    return _used[0]


def used_product_library() -> Library | None:
    """Return the library that this process has used for large products; None if there were none."""
    return _used[0] if _used else None


def use_product_library(name: str | None) -> None:
    """Use a recorded library from now on, if this build of PyTorch has it; None changes nothing."""
    if name == "blas" or (name == "onednn" and _has_onednn()):
        _used[:] = [name]  # type: ignore[list-item]


def _by_onednn(a: Tensor, b: Tensor) -> bool:
    """Return whether oneDNN computes this product. It would copy a transposed `a`."""
    return (
        a.dtype == torch.float32
        and a.numel() * b.shape[1] >= MIN_MULTIPLY_ADDS
        and a.is_contiguous()
        and a.device.type == "cpu"
        and product_library() == "onednn"
    )


def _choose() -> Library:
    if wish := os.environ.get(VARIABLE):
        for name in get_args(Library):
            if name == wish:
                return name  # type: ignore[no-any-return]
        raise CannotRun(f"{VARIABLE}={wish}: write {' or '.join(get_args(Library))}")
    if not _has_onednn():
        return "blas"
    about = {"processor": describe_processor(), "torch": torch.__version__}
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
    name = f"products-{digest}.json"
    if (kept := _read(name)) is not None:
        return kept
    speeds = measured_speeds()
    if (kept := _read(name)) is not None:  # another process was faster
        return kept
    found: Library = "onednn" if speeds["onednn"] >= _GAIN * speeds["blas"] else "blas"
    gflops = {key: round(value, 1) for key, value in speeds.items()}
    document = {**about, "library": found, "GFLOP/s of one thread": gflops}
    with contextlib.suppress(OSError, ValueError, CannotRun):  # the cache cannot be written
        write_atomically(Path(make_cache_folder(), name), json.dumps(document, indent=2) + "\n")
    return found


def _read(name: str) -> Library | None:
    """Return the library that a file in the cache folder names; None for no or a damaged file."""
    try:
        document: Any = json.loads(Path(cache_folder(), name).read_text(encoding="utf-8"))
        library: Any = document["library"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return library if library in get_args(Library) else None


def measured_speeds() -> dict[Library, float]:
    """Measure both libraries in turns, and return their GFLOP/s on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds: dict[Library, float] = {"blas": 0.0, "onednn": 0.0}
        generator = torch.Generator().manual_seed(0)
        for rows, inner, columns in _SHAPES:
            a, b = (
                torch.randn(*shape, generator=generator)
                for shape in ((rows, inner), (columns, inner))
            )
            ways: dict[Library, Callable[[], object]] = {
                "blas": functools.partial(torch.mm, a, b.t()),
                "onednn": functools.partial(_ops._linear_pointwise, a, b, None, "none", [], ""),
            }
            times: dict[Library, list[float]] = {"blas": [], "onednn": []}
            for number in range(_ROUNDS + 1):
                for key, way in ways.items():
                    start = time.thread_time()
                    way()
                    if number:  # the first call prepares the library
                        times[key].append(time.thread_time() - start)
            for key, values in times.items():
                seconds[key] += statistics.median(values)
    finally:
        torch.set_num_threads(threads)
    operations = sum(2 * rows * inner * columns for rows, inner, columns in _SHAPES)
    return {key: operations / value / 1e9 for key, value in seconds.items()}


def _has_onednn() -> bool:
    """Return whether this build of PyTorch has oneDNN, with its products."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(_ops, "_linear_pointwise")
