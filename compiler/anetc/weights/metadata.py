"""The description in a weights file, which can be read without torch.

The header of the file has one metadata entry, `anet`, which is JSON: the version of the format, the
name of the network, the SHA-256 of its text and of its structure and, for trained networks,
`trained_on`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import safetensors

from anetc.weights.trained_on import TrainedOn, trained_on_from_json
from anetdsl.errors import CannotRun

FORMAT_VERSION = 1
METADATA_KEY = "anet"


class WeightsError(CannotRun):
    """Weights cannot be read or do not fit the network. The message is one line."""


@attrs.frozen
class WeightsInfo:
    """The description in a weights file; None where the file has none."""

    network: str | None = None
    """Name of the network."""
    text_sha256: str | None = None
    """`text_hash` of the network. The tensors may fit other texts, too."""
    trained_on: TrainedOn | None = None
    """Classes and clips of the training; None for untrained weights and those of old versions."""
    validation: Mapping[str, Any] | None = None
    """For the best weights of a run: the `iteration` and the `measures` of their validation."""
    structure_sha256: str | None = None
    """`structure_hash` of the network. None for files of old versions."""

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata for the header of the file."""
        about: dict[str, Any] = {
            "version": FORMAT_VERSION,
            "network": self.network,
            "text_sha256": self.text_sha256,
        }
        if self.structure_sha256 is not None:
            about["structure_sha256"] = self.structure_sha256
        if self.trained_on is not None:
            about["trained_on"] = self.trained_on.to_json()
        if self.validation is not None:
            about["validation"] = dict(self.validation)
        # Only one entry, because the order of several entries differs between runs.
        return {METADATA_KEY: json.dumps(about)}


def read_info(path: str | Path) -> WeightsInfo:
    """Return the description in a weights file, without its tensors and without torch.

    Raise WeightsError for a file that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise WeightsError(f"{path}: a folder, not a weights file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return info_of_metadata(path, file.metadata() or {})
    except (OSError, safetensors.SafetensorError) as error:
        raise unreadable(path, error) from error


def info_of_metadata(path: Path, metadata: Mapping[str, str]) -> WeightsInfo:
    """Return the description in the metadata of a file. Raise WeightsError if it is damaged."""
    if METADATA_KEY not in metadata:
        return WeightsInfo()
    try:
        about: Any = json.loads(metadata[METADATA_KEY])
        version, network, digest = about["version"], about["network"], about["text_sha256"]
        if version != FORMAT_VERSION:
            raise WeightsError(
                f"{path}: unknown weights format {version!r}; this version of anetc reads format "
                f"{FORMAT_VERSION}"
            )
        trained_on = trained_on_from_json(about.get("trained_on"))
        structure = about.get("structure_sha256")
        if not isinstance(structure, str | None):
            raise TypeError("structure_sha256 is not a text")
        validation = about.get("validation")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WeightsError(f"{path}: the metadata entry {METADATA_KEY!r} is damaged") from error
    if not isinstance(validation, dict):
        validation = None
    return WeightsInfo(str(network), str(digest), trained_on, validation, structure)


def unreadable(path: Path, error: Exception) -> WeightsError:
    """Return the error for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return WeightsError(f"{path}: no such file")
    reason = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return WeightsError(f"{path}: not a readable safetensors file: {reason}")
