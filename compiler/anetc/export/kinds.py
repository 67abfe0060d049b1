"""Find the kind of an artifact by its content. Nothing in the file is executed."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from anetc.export.about import PYTHON_MARK, About, about_from_json
from anetdsl.errors import CannotRun, cannot_read

METADATA_KEY = "anet_artifact"
"""Key in the metadata of a safetensors file and in the properties of an ONNX model."""
ZIP_ENTRY = "extra/anet.json"
"""Name of the entry in PyTorch's archives, below their top folder."""
ONNX_START = b"\x08"
"""First byte of an ONNX file: field 1 of the message, `ir_version`."""
_LONGEST_HEADER = 100_000_000


def read_about(path: str | Path) -> About | None:
    """Return the description of an artifact; None for a file of another format, as a network text.

    Raise CannotRun for a file that has the format of an artifact, but is damaged or is not one.
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
            raise CannotRun(
                f"{path}: holds the weights of a Python artifact; "
                f"give {path.with_suffix('.py').name} instead"
            )
        return about
    if start.startswith(b"\x80"):
        raise CannotRun(
            f"{path}: is a pickle, which could run any code; anetc does not load pickles"
        )
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
                    raise ValueError("its description is too long")
                return about_from_json(archive.read(names[0]).decode(), path)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        # RuntimeError: encrypted entries and unknown compression methods
        raise CannotRun(f"{path}: is a damaged archive: {error}") from None
    raise CannotRun(f"{path}: is an archive, but not one of `anetc compile`")


def safetensors_header(path: Path) -> dict[str, Any]:
    """Return the JSON header of a safetensors file. Raise CannotRun if it cannot be read."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _LONGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(file.read(size))
            if not isinstance(header, dict):
                raise ValueError("its header is not a JSON object")
            return header
    except (OSError, ValueError, RecursionError) as error:
        raise CannotRun(f"{path}: is a damaged safetensors file: {error}") from None


def _of_safetensors(path: Path) -> About:
    metadata = safetensors_header(path).get("__metadata__", {})
    if not isinstance(metadata, dict) or METADATA_KEY not in metadata:
        raise CannotRun(
            f"{path}: is a weights file; give the .anet file of the network, and this file "
            "with --weights"
        )
    try:
        about = json.loads(metadata[METADATA_KEY])["about"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise CannotRun(
            f"{path}: the artifact is damaged: its description cannot be read"
        ) from None
    return about_from_json(str(about), path)


def _of_onnx(path: Path) -> About:
    metadata = onnx_session(path).get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        raise CannotRun(f"{path}: is an ONNX model, but not one of `anetc compile`")
    return about_from_json(metadata[METADATA_KEY], path)


def onnx_session(path: Path) -> Any:
    """Open a model in ONNX Runtime. Raise CannotRun if it is not installed or rejects the file."""
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
    except Exception as error:  # its exceptions have no other common base class
        reason = " ".join(str(error).split())[:200]
        raise CannotRun(f"{path}: is not a readable ONNX model: {reason}") from None


def _of_source(path: Path) -> About:
    """Return the description in the weights file; the source itself holds none."""
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise CannotRun(f"{path}: its weights file {weights.name} is missing in the same folder")
    return _of_safetensors(weights)
