"""Names that folders and lists give to the splits of a data set."""

from __future__ import annotations

import re

from anetc.data.values import Split

_SPLIT_NAMES: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trainset", "trainingset"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), "validation"),
    **dict.fromkeys(("valset", "validset", "validationset"), "validation"),
    **dict.fromkeys(("test", "testing", "testset", "testingset"), "test"),
}


def split_of_name(name: str) -> Split | None:
    """Return the split that a folder's name (or a cell of a list) means, or None."""
    return _SPLIT_NAMES.get(re.sub(r"[\s_-]", "", name).lower())
