"""`anetc compile`: a network to a verified artifact, or to one that was made before."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from anetc.export import cache
from anetc.export.about import About
from anetc.export.kinds import METADATA_KEY, safetensors_header
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.files import check_writable, is_device, replacing, write_atomically
from anetdsl.ir import Network


@attrs.frozen
class CompiledArtifact:
    """An artifact that was handed over, and how it compares with the plain module."""

    files: tuple[Path, ...]
    error: float
    """The largest relative error that was measured."""
    first: float
    """Seconds from the file to the first result, in the process that verified it."""
    cached: bool
    stages: tuple[tuple[str, float], ...]


Report = Callable[[str, float | None], None]
"""Told each stage as it begins, and again with its seconds as it ends."""


def silent(stage: str, seconds: float | None) -> None:
    """Tells nobody."""


def compile_artifact(
    network: Network,
    about: About,
    output: str | Path,
    *,
    weights: str | Path | None = None,
    seed: int = 0,
    source: str | Path | None = None,
    use_cache: bool = True,
    report: Report = silent,
) -> CompiledArtifact:
    """Make the artifact that `about` describes, verify it, and only then put it at `output`.

    `about.network` is the text of `network`, and `source` the file it was read from. Raises
    CannotRun where it cannot be made or written, would overwrite what it is made of, or is not what
    the plain module is; `output` stays as it was then.
    """
    output = Path(output)
    try:
        targets = _targets(output, about)
        _spare(targets, [Path(path) for path in (source, weights) if path is not None])
    except OSError as error:
        raise CannotRun(f"{output}: cannot be written: {error.strerror or error}") from None
    if (about.kind, about.dtype) == ("onnx", "bfloat16"):
        raise CannotRun("--emit onnx: ONNX Runtime has no convolutions in bfloat16; use float32")
    clock = _Clock(report)
    with tempfile.TemporaryDirectory(prefix="anetc-") as name:
        made, kept = (Path(name, part) for part in ("made", "kept"))
        made.mkdir()
        kept.mkdir()
        with clock.stage("look in the cache"):
            digest = _weights_digest(weights)
            key = cache.key_of(about, digest, seed) if use_cache else ""
            entry = cache.take(key, kept) if use_cache else None
        if entry is not None:
            with clock.stage("write"):
                _hand_over(entry.files, targets)
            return CompiledArtifact(targets, entry.error, entry.first, True, tuple(clock.stages))
        from anetc.export.build import make

        files, verdict = make(network, about, made, weights, seed, clock.stage)
        with clock.stage("write"):
            _hand_over(files, targets)
            if use_cache:
                cache.keep(key, files, verdict.error, verdict.first)
    return CompiledArtifact(targets, verdict.error, verdict.first, False, tuple(clock.stages))


class _Clock:
    """Times stages, and tells about them."""

    def __init__(self, report: Report) -> None:
        self.stages: list[tuple[str, float]] = []
        self._report = report

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        self._report(name, None)
        yield
        self.stages.append((name, time.perf_counter() - start))
        self._report(*self.stages[-1])


def _targets(output: Path, about: About) -> tuple[Path, ...]:
    """The files to be written. Refuses at once what would fail after minutes of work."""
    check_writable(output)
    if about.kind != "python":
        return (output,)
    if output.suffix != ".py":
        raise CannotRun(f"{output}: a Python artifact's name ends in .py; its weights stand beside")
    beside = output.with_suffix(".safetensors")
    if beside.exists() and not _is_of_an_artifact(beside):
        raise CannotRun(
            f"{beside}: the artifact's weights would take its place, and no artifact's weights are "
            "there; give -o another name, or move it away"
        )
    return (output, beside)


def _spare(targets: Sequence[Path], sources: Sequence[Path]) -> None:
    """Raises CannotRun where an artifact would overwrite what it is made of."""
    for target in targets:
        for source in sources:
            if target.exists() and source.exists() and target.samefile(source):
                raise CannotRun(f"{target}: would be overwritten, but the artifact is made of it")


def _is_of_an_artifact(weights: Path) -> bool:
    """Whether a safetensors file is one that this package made for an artifact."""
    try:
        metadata = safetensors_header(weights).get("__metadata__")
    except CannotRun:
        return False
    return isinstance(metadata, dict) and METADATA_KEY in metadata


def _weights_digest(weights: str | Path | None) -> str | None:
    if weights is None:
        return None
    try:
        return cache.file_digest(Path(weights))
    except OSError as error:
        raise cannot_read(weights, error) from None


def _hand_over(files: tuple[Path, ...], targets: tuple[Path, ...]) -> None:
    """All files or none take their places; the one that is loaded comes last."""
    with contextlib.ExitStack() as stack:
        for file, target in zip(files, targets):
            if is_device(target):
                write_atomically(target, file.read_bytes())
            else:
                part = stack.enter_context(replacing(target))
                shutil.copyfile(file, part)
