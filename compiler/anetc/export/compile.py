"""Compile a network to a verified artifact, or take it from the cache."""

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
    """A written artifact, and its error relative to the reference module."""

    files: tuple[Path, ...]
    """Files of the artifact; the first one is loaded."""
    error: float
    """Largest relative error of the logits that was measured."""
    first: float
    """Seconds from opening the file to the first result, in the process that verified it."""
    cached: bool
    """True if the artifact comes from the cache."""
    stages: tuple[tuple[str, float], ...]
    """Name and seconds of each stage."""


_FULL = 10_000_000
"""Free space, in bytes, below which a failure is probably due to a full disk."""

StageReport = Callable[[str, float | None], None]
"""Function that receives the name of a stage: with None at its begin, then with its seconds."""


def no_report(stage: str, seconds: float | None) -> None:
    """Ignore a stage."""


def compile_artifact(
    network: Network,
    about: About,
    output: str | Path,
    *,
    weights: str | Path | None = None,
    seed: int = 0,
    source: str | Path | None = None,
    use_cache: bool = True,
    report: StageReport = no_report,
) -> CompiledArtifact:
    """Write the artifact that `about` describes to `output`, after it was verified.

    Args:
        network: The network to compile.
        about: Kind, sizes and data type; `about.network` is the text of `network`.
        output: The file to write; its name ends in .py for the kind `python`.
        weights: A weights file; None for initial weights drawn from `seed`.
        seed: Seed of the initial weights.
        source: The file that the network was read from, which must not be overwritten.
        use_cache: Whether to look for the artifact in the cache and to keep it there.
        report: Receives each stage.

    Raises:
        CannotRun: The artifact cannot be made or written, it would overwrite `source` or `weights`,
            or its error exceeds the tolerance. `output` is unchanged then.
    """
    output = Path(output)
    try:
        targets = _targets(output, about)
        _check_not_overwritten(
            targets, [Path(path) for path in (source, weights) if path is not None]
        )
    except OSError as error:
        raise CannotRun(f"{output}: cannot be written: {error.strerror or error}") from None
    if (about.kind, about.dtype) == ("onnx", "bfloat16"):
        raise CannotRun("--emit onnx: ONNX Runtime has no convolutions in bfloat16; use float32")
    try:
        return _compile(network, about, targets, weights, seed, use_cache, _Clock(report))
    except OSError as error:
        place = error.filename or tempfile.tempdir or "the folder for temporary files"
        raise CannotRun(
            f"{place}: the artifact cannot be made there: {error.strerror or error}; set TMPDIR to "
            "a folder with more space"
        ) from None


def _compile(
    network: Network,
    about: About,
    targets: tuple[Path, ...],
    weights: str | Path | None,
    seed: int,
    use_cache: bool,
    clock: _Clock,
) -> CompiledArtifact:
    """Make the artifact in a temporary folder. Raise OSError where that cannot be written."""
    with tempfile.TemporaryDirectory(prefix="anetc-") as name:
        made, cached = (Path(name, part) for part in ("made", "cached"))
        made.mkdir()
        cached.mkdir()
        with clock.stage("look in the cache"):
            digest = _weights_digest(weights)
            key = cache.key_of(about, digest, seed) if use_cache else ""
            entry = cache.load(key, cached) if use_cache else None
        if entry is not None:
            with clock.stage("write"):
                _put_in_place(entry.files, targets)
            return CompiledArtifact(targets, entry.error, entry.first, True, tuple(clock.stages))
        from anetc.export.build import write_and_verify

        try:
            files, verdict = write_and_verify(network, about, made, weights, seed, clock.stage)
        except CannotRun as error:
            raise CannotRun(f"{error}{_little_space(name)}") from None
        with clock.stage("write"):
            _put_in_place(files, targets)
            if use_cache:
                cache.store(key, files, verdict.error, verdict.first)
    return CompiledArtifact(targets, verdict.error, verdict.first, False, tuple(clock.stages))


def _little_space(folder: str) -> str:
    """Return a hint if the disk of the temporary folder is full: a runtime may not say so."""
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < _FULL:
            return f"; {tempfile.gettempdir()} has only {free / 1e6:.1f} MB free; set TMPDIR"
    return ""


class _Clock:
    """Timer of stages, which also reports them."""

    def __init__(self, report: StageReport) -> None:
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
    """Return the files to write. Raise CannotRun if they cannot be written."""
    check_writable(output)
    if about.kind != "python":
        return (output,)
    if output.suffix != ".py":
        raise CannotRun(
            f"{output}: the name of a Python artifact must end in .py; its weights go to a "
            ".safetensors file of the same name"
        )
    weights_file = output.with_suffix(".safetensors")
    if weights_file.exists() and not _belongs_to_artifact(weights_file):
        raise CannotRun(
            f"{weights_file}: would be overwritten by the weights of the artifact, but does not "
            "belong to an artifact; give -o another name or move this file"
        )
    return (output, weights_file)


def _check_not_overwritten(targets: Sequence[Path], sources: Sequence[Path]) -> None:
    """Raise CannotRun if a target is the network or the weights file that is compiled."""
    for target in targets:
        for source in sources:
            if target.exists() and source.exists() and target.samefile(source):
                raise CannotRun(
                    f"{target}: is an input of this command and would be overwritten; "
                    "give -o another name"
                )


def _belongs_to_artifact(weights: Path) -> bool:
    """Return whether a safetensors file belongs to an artifact."""
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


def _put_in_place(files: tuple[Path, ...], targets: tuple[Path, ...]) -> None:
    """Put all files in their places, or none. The file that is loaded comes last."""
    with contextlib.ExitStack() as stack:
        for file, target in zip(files, targets):
            if is_device(target):
                write_atomically(target, file.read_bytes())
            else:
                part = stack.enter_context(replacing(target))
                shutil.copyfile(file, part)
