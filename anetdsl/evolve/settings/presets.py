"""Spaces to search in: the paper's, and one for a laptop."""

from __future__ import annotations

from typing import Literal

from anetdsl.evolve.settings.search_settings import Space

Preset = Literal["paper", "small"]


def space(preset: Preset, classes: int) -> Space:
    """The space of a preset.

    `paper` is the paper's (4.1, A.1). `small` has the same graphs, and can be trained on a CPU: C
    and D an eighth of the paper's, and two residual modules a block instead of three to six:
    one 2D, and one with the temporal convolution that r is about.
    """
    if preset == "paper":
        return Space(classes)
    return Space(
        classes,
        stem_channels=16,
        channels=(8, 16, 32, 64),
        widths=(8, 16, 32, 64),
        modules=(2, 2, 2, 2),
    )
