"""Preset search spaces: the paper's, and a small one for a laptop."""

from __future__ import annotations

from typing import Literal

from anetdsl.evolve.settings.search_settings import Space

Preset = Literal["paper", "small"]


def space(preset: Preset, classes: int) -> Space:
    """Return the space of a preset.

    `paper` is the paper's (4.1, A.1). `small` has the same graphs and can be trained on a CPU: C
    and D are an eighth of the paper's, and a block has two residual modules instead of three to
    six: a 2D module and one with the temporal convolution of dilation r.
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
