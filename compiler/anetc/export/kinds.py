"""Which kind of artifact a file is, by its content. Nothing in it is executed; no torch here."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from anetc.export.about import PYTHON_MARK, About, about_from_json
from anetdsl.errors import CannotRun, cannot_read

METADATA_KEY = "anet_artifact"
"""Entry of the header of a `module`, and of an ONNX model's properties."""
ZIP_ENTRY = "extra/anet.json"
"""Entry of PyTorch's archives, below the one folder at their top."""
ONNX_START = b"\x08"
"""Field 1 of the message, `ir_version`, comes first."""
_LONGEST_HEADER = 100_000_000


def read_about(path: str | Path) -> About | None:
    """What an artifact says of itself; None for a file that is none, as a network's text is.

    Raises CannotRun for files that look like artifacts and are none of ours, or are damaged.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise cannot_read(path, error) from None
    if start.startswith(b"PK"):
        return _of_archive(path)
    if start[8:9] == b"{" and b"\0" in start[:8]:
        about = _of_safetensors(path)
        if about.kind == "python":
            raise CannotRun(f"{path}: the weights of {path.with_suffix('.py').name}; give that")
        return about
    if start.startswith(b"\x80"):
        raise CannotRun(f"{path}: a pickle, which could run anything; nothing here unpickles files")
    if start.startswith(ONNX_START):
        return _of_onnx(path)
    if PYTHON_MARK.encode() in start:
        return _of_source(path)
    return None


def _of_archive(path: Path) -> About:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/" + ZIP_ENTRY)]
            if names:
                if archive.getinfo(names[0]).file_size > _LONGEST_HEADER:
                    raise ValueError("what it says of itself is too long")
                return about_from_json(archive.read(names[0]).decode(), path)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        # RuntimeError: of encrypted entries, and of ways to compress that are not known
        raise CannotRun(f"{path}: a damaged archive: {error}") from None
    raise CannotRun(f"{path}: an archive, but not one that `anetc compile` made")


def safetensors_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file. Raises CannotRun where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _LONGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(file.read(size))
            if not isinstance(header, dict):
                raise ValueError("its header is no object")
            return header
    except (OSError, ValueError, RecursionError) as error:
        raise CannotRun(f"{path}: a damaged safetensors file: {error}") from None


def _of_safetensors(path: Path) -> About:
    metadata = safetensors_header(path).get("__metadata__", {})
    if not isinstance(metadata, dict) or METADATA_KEY not in metadata:
        raise CannotRun(
            f"{path}: a weights file; give the network's .anet file, and this as --weights"
        )
    try:
        about = json.loads(metadata[METADATA_KEY])["about"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise CannotRun(f"{path}: what the artifact says of itself is damaged") from None
    return about_from_json(str(about), path)


def _of_onnx(path: Path) -> About:
    metadata = onnx_session(path).get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        raise CannotRun(f"{path}: an ONNX model, but not one that `anetc compile` made")
    return about_from_json(metadata[METADATA_KEY], path)


def onnx_session(path: Path) -> Any:
    """The model in ONNX Runtime. Raises CannotRun where that is missing or refuses the file."""
    try:
        import onnxruntime
    except ImportError:
        raise CannotRun(
            "ONNX models need onnxruntime; install it with: pip install 'anetdsl[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its own classes, which have no common base but this
        reason = " ".join(str(error).split())[:200]
        raise CannotRun(f"{path}: no ONNX model that can be read: {reason}") from None


def _of_source(path: Path) -> About:
    """As the weights beside it say. The source is not looked at further."""
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise CannotRun(f"{path}: its weights, {weights.name}, are not beside it")
    return _of_safetensors(weights)
