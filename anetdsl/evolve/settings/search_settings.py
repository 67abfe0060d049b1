"""Settings of a search: the space, the limits of a candidate, and the method."""

from __future__ import annotations

from typing import Literal

import attrs

Method = Literal["guided", "standard", "random", "aging"]
"""Equation 2 of the paper, its two baselines (4.3), and regularized evolution (Real et al. 2019)"""

Order = Literal["index", "arrival"]

RESOLUTIONS = (1, 2, 4, 8)
"""Temporal resolutions r that are searched (paper 4.1)."""


@attrs.frozen
class Space:
    """Where the search takes place: what all of its networks have in common (paper 4.1, A.1)."""

    classes: int
    stem_channels: int = 128
    """Sum of C over the stems: 64 each with two stems, 32 with four (A.1)."""
    channels: tuple[int, int, int, int] = (64, 128, 256, 512)
    """C of an initial node at levels 1 to 4."""
    nodes: tuple[int, int, int, int] = (2, 2, 2, 1)
    """Initial nodes at levels 1 to 4."""
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    modules: tuple[int, int, int, int] = (3, 4, 6, 3)
    stems: tuple[int, ...] = (2, 4)
    """How many stems an initial network may have, half of them RGB and half flow."""
    resolutions: tuple[int, ...] = RESOLUTIONS
    most_splits: int = 5
    """An initial network has 1 to so many nodes split."""
    edge_probability: float = 0.5
    least_depth: int = 4
    """Blocks on the longest path from an input to the sink; shallower networks are thrown away."""


@attrs.frozen
class Limits:
    """What a candidate may cost at most, counted before it is trained. None is no limit."""

    parameters: int | None = None
    multiply_adds: int | None = None
    depth: int | None = None
    """Convolutions on the longest path."""
    frames: int = 32
    size: tuple[int, int] = (224, 224)
    """The clip (H, W) that multiply-adds are counted for."""


@attrs.frozen
class SearchSettings:
    """How to search; the defaults are the paper's (3.2, 4.1)."""

    space: Space
    method: Method = "guided"
    seed: int = 0
    rounds: int = 200
    """Candidates in all, the initial population among them."""
    population: int = 20
    tournament: int = 5
    most_operators: int = 4
    """A child has 0 to so many of split, merge and change of r, after its edges."""
    threshold: float | None = None
    """B of equation 2: a constant in (0, 1), or None to draw it from unif(0, 1) for each edge."""
    order: Order = "index"
    window: int = 8
    """Candidate k depends on the results of candidates below k - window alone (`order="index"`)."""
    limits: Limits = Limits()
    keep_weights: bool = False
    """Whether a child's text keeps its parent's weights on the edges that stayed."""
