"""Read and write prediction files; the ending of the file name selects the format.

All formats write numbers so that they are read back exactly. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from anetc.data.formats.text_files import read_text
from anetc.evaluation.predictions.csv_files import (
    from_csv,
    from_submission,
    has_spaces,
    to_csv,
    to_submission,
)
from anetc.evaluation.predictions.jsonl import from_jsonl, to_jsonl
from anetc.evaluation.predictions.rows import Predictions
from anetc.evaluation.scores import Evaluation
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

_FORMATS: Mapping[str, tuple[Callable[[Predictions], str], Callable[[Path, str], Predictions]]] = {
    ".jsonl": (to_jsonl, from_jsonl),
    ".csv": (to_csv, from_csv),
    ".txt": (to_submission, from_submission),
}
"""Writer and reader of each format, by the ending of the file name."""


def check_suffix(path: str | Path) -> None:
    """Raise CannotRun if the ending of a file name is not that of a prediction format."""
    if Path(path).suffix.lower() not in _FORMATS:
        raise CannotRun(
            f"{path}: a prediction file must end in .jsonl, .csv, or .txt (the format of Charades "
            "submissions)"
        )


def check_names(path: str | Path, names: Iterable[str]) -> None:
    """Raise CannotRun if the format of a prediction file cannot hold these names of videos."""
    if Path(path).suffix.lower() != ".txt":
        return
    unfit = [name for name in names if has_spaces(name)]
    if unfit:
        more = f" and {len(unfit) - 1} more" if len(unfit) > 1 else ""
        raise CannotRun(
            f"{path}: a .txt file (the format of Charades submissions) has spaces between a name "
            f"and its scores, so it cannot hold `{unfit[0]}`{more}; write a .jsonl or .csv file"
        )


def write_predictions(
    path: str | Path, evaluation: Evaluation, about: Mapping[str, Any] | None = None
) -> None:
    """Write the scores and targets of an evaluation in the format that the file name selects.

    Args:
        path: File to write.
        evaluation: Scores and targets.
        about: Other values for the first object of a `.jsonl` file; ignored by other formats.

    Raises:
        CannotRun: The ending is unknown, the format cannot hold a name, or the file cannot be
            written.
    """
    check_suffix(path)
    predictions = Predictions(
        evaluation.names,
        evaluation.logits,
        evaluation.targets,
        evaluation.classes,
        evaluation.are_logits,
        about or {},
    )
    check_names(path, evaluation.names)
    to_text, _ = _FORMATS[Path(path).suffix.lower()]
    try:
        text = to_text(predictions)
    except ValueError as error:
        raise CannotRun(f"{path}: {error}") from None
    write_atomically(path, text.encode("utf-8", "surrogateescape"))


def read_predictions(path: str | Path) -> Predictions:
    """Read a prediction file.

    Raises CannotRun, with the line, if the file cannot be read or has an error.
    """
    check_suffix(path)
    path = Path(path)
    _, from_text = _FORMATS[path.suffix.lower()]
    predictions = from_text(path, read_text(path))
    if not predictions.names:
        raise CannotRun(f"{path}: the file contains no predictions")
    return predictions
