"""A small structure list with weights, and helpers for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from anetdsl.interchange.json_value import InterchangeError

Error = TypeVar("Error", bound=InterchangeError)

SMALL = [[-1, 4], [-2, 1], [0, [0, 1], 8, 2, 1, 0], [1, [0], 8, 1, 2, 0], [3, [2, 3], 16, 1, 2, 0]]
SMALL_WEIGHTS = [[], [], [[0.25, 0.75]], [], [[0.5, 0.125]]]


def through_json(value: object) -> Any:
    return json.loads(json.dumps(value))


def refused(work: Callable[[], object], kind: type[Error]) -> Error | None:
    """Return the error of this kind that `work` raises, if it raises one."""
    try:
        work()
    except kind as error:
        return error
    return None
