"""Values of options that say where trials run."""

from __future__ import annotations

from anetdsl.errors import CannotRun


def gpu_names(text: str) -> list[str]:
    """Return the GPUs of `--gpus`. Raise CannotRun if the text names none."""
    gpus = [part.strip() for part in text.split(",")]
    found = [gpu for gpu in gpus if gpu]
    if not found:
        raise CannotRun("--gpus: name at least one GPU, such as --gpus 0,1")
    return found
