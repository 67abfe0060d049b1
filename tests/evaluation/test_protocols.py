"""Protocols of evaluation, and the rows of a summary."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from anetc.data.recipes import recipes_for
from anetc.data.values import DataSpec
from anetc.evaluation.protocols import protocol_recipe, reported_split
from anetc.evaluation.scores import Evaluation
from anetc.evaluation.summary import class_rows, standard_errors
from anetc.video.clips import CHARADES_TEST, MOMENTS_TEST
from anetdsl.errors import CannotRun

# Summaries


def test_class_rows_and_confusion_matrix() -> None:
    scores = np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 2.0, 1.0]])
    found = Evaluation(("x", "y", "z"), scores, np.array([0, 0, 1]), ("a", "b", "c"))
    a, b, c = class_rows(found)
    assert (a.videos, a.measures["top1"], a.confused_with) == (2, 50, ("b", 1))
    assert (b.videos, b.measures["top1"], b.confused_with) == (1, 100, None)
    assert (c.videos, c.measures["top1"], c.measures["top5"]) == (0, None, None)
    assert found.confusion().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert standard_errors(found)["top1"] == pytest.approx(100 * (2 / 9 / 3) ** 0.5)


# Protocols


def spec(format: str) -> DataSpec:
    return DataSpec(format, None if format == "motion" else "somewhere")  # type: ignore[arg-type]


def test_protocols_of_the_paper() -> None:
    """Semantics 11."""
    assert protocol_recipe(spec("moments")) == MOMENTS_TEST
    assert protocol_recipe(spec("folder"), "moments") == MOMENTS_TEST
    assert protocol_recipe(spec("folder")) == recipes_for(spec("folder")).validation
    assert protocol_recipe(spec("charades")) == CHARADES_TEST
    assert protocol_recipe(spec("folder"), "charades") == CHARADES_TEST
    assert protocol_recipe(spec("charades"), "moments") == MOMENTS_TEST
    assert (MOMENTS_TEST.frames, MOMENTS_TEST.size, MOMENTS_TEST.clips) == (36, (256, 256), 1)
    assert (CHARADES_TEST.frames, CHARADES_TEST.clips, CHARADES_TEST.when) == (64, 5, "random")
    assert reported_split(spec("moments")) == "validation"
    assert reported_split(spec("charades")) == reported_split(spec("motion")) == "test"


def test_options_change_one_value_of_a_protocol() -> None:
    several = protocol_recipe(spec("moments"), clips=4)
    assert several == attrs.evolve(MOMENTS_TEST, clips=4, when="even")
    assert protocol_recipe(spec("charades"), clips=2) == attrs.evolve(CHARADES_TEST, clips=2)
    assert protocol_recipe(spec("charades"), frames=32).frames == 32
    assert protocol_recipe(spec("moments"), fps=25).fps == 25
    small = protocol_recipe(spec("motion"), "charades", frames=8)
    assert (small.frames, small.clips, small.when, small.short_side) == (8, 5, "random", None)
    with pytest.raises(CannotRun, match="clips: "):
        protocol_recipe(spec("moments"), fps=float("nan"))
