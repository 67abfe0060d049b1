"""Settings of a search: the space, the limits of a candidate, and the method.

A value out of its range raises InvalidSetting when it is made.
"""

from __future__ import annotations

from typing import Literal

import attrs

from anetdsl.ir import Attention
from anetdsl.settings_reader import InvalidSetting, at_least, between, not_empty
from anetdsl.vocabulary import MAX_INPUT_CHANNELS

Method = Literal["guided", "standard", "random", "aging", "oneshot"]
"""Equation 2 of the paper, its two baselines (4.3), regularized evolution (Real et al. 2019), and
pruning of a network that was trained with all possible edges"""

Order = Literal["index", "arrival"]

RESOLUTIONS = (1, 2, 4, 8)
"""Temporal resolutions r that are searched (paper 4.1)."""

LARGEST_SEED = 2**63 - 1
"""The largest whole number of TOML."""


@attrs.frozen
class Space:
    """The search space: properties that all candidates share (paper 4.1, A.1)."""

    classes: int = attrs.field(validator=at_least(1))
    stem_channels: int = attrs.field(default=128, validator=at_least(1))
    """Sum of C over the stems: 64 each with two stems, 32 with four (A.1)."""
    channels: tuple[int, int, int, int] = attrs.field(
        default=(64, 128, 256, 512), validator=at_least(1)
    )
    """C of an initial node at levels 1 to 4."""
    nodes: tuple[int, int, int, int] = attrs.field(default=(2, 2, 2, 1), validator=at_least(0))
    """Number of initial nodes at levels 1 to 4."""
    widths: tuple[int, int, int, int] = attrs.field(
        default=(64, 128, 256, 512), validator=at_least(1)
    )
    """D, the output channels of the 2D convolutions at levels 1 to 4."""
    modules: tuple[int, int, int, int] = attrs.field(default=(3, 4, 6, 3), validator=at_least(1))
    """Number of residual modules of a block at levels 1 to 4."""
    stems: tuple[int, ...] = attrs.field(default=(2, 4), validator=[not_empty, at_least(1)])
    """Numbers of stems that an initial network may have. Half of its stems are flow stems."""
    resolutions: tuple[int, ...] = attrs.field(
        default=RESOLUTIONS, validator=[not_empty, at_least(1)]
    )
    most_splits: int = attrs.field(default=5, validator=at_least(0))
    """Largest number of nodes of an initial network that are split; at least one is."""
    edge_probability: float = attrs.field(default=0.5, validator=between(0, 1))
    """Probability of each possible edge of an initial network."""
    attention: Attention = "none"
    """Attention of the connections of all candidates (AssembleNet++)."""
    objects: int = attrs.field(default=0, validator=between(0, MAX_INPUT_CHANNELS))
    """Number of channels of the object input of all candidates, one for each class; 0: none."""
    least_depth: int = attrs.field(default=4, validator=at_least(1))
    """Smallest number of blocks on the longest path from an input to the sink."""

    def __attrs_post_init__(self) -> None:
        if self.nodes[-1] == 0:
            message = "`nodes` must have a node at level 4, which the classifier reads"
            raise InvalidSetting("nodes", message)
        if self.stem_channels < max(self.stems):
            message = f"`stem_channels` must be at least {max(self.stems)}, one for each stem"
            raise InvalidSetting("stem_channels", message)


@attrs.frozen
class Limits:
    """Largest costs of a candidate, counted before it is trained. None is no limit."""

    parameters: int | None = attrs.field(default=None, validator=at_least(1))
    multiply_adds: int | None = attrs.field(default=None, validator=at_least(1))
    depth: int | None = attrs.field(default=None, validator=at_least(1))
    """Number of convolutions on the longest path."""
    frames: int = attrs.field(default=32, validator=at_least(1))
    """Frames of the clip for which multiply-adds are counted."""
    size: tuple[int, int] = attrs.field(default=(224, 224), validator=at_least(1))
    """Height and width of this clip."""


@attrs.frozen
class SearchSettings:
    """Settings of a search. The defaults are the paper's (3.2, 4.1)."""

    space: Space
    method: Method = "guided"
    seed: int = attrs.field(default=0, validator=between(0, LARGEST_SEED))
    candidates: int = attrs.field(
        default=200, validator=at_least(1), metadata={"old_name": "rounds"}
    )
    """Number of candidates, the initial population included."""
    population: int = attrs.field(default=20, validator=at_least(1))
    """Number of members of the population."""
    tournament: int = attrs.field(default=5, validator=at_least(1))
    """Number of members of which the best becomes a parent."""
    most_operators: int = attrs.field(default=4, validator=at_least(0))
    """Largest number of operators (split, merge, change of r) that follow the rewiring."""
    threshold: float | None = attrs.field(default=None, validator=between(0, 1, is_open=True))
    """B of equation 2: a constant in (0, 1), or None to draw it from unif(0, 1) for each edge."""
    guide_by_peers: bool = False
    """True if equation 2 adds edges from peers of high learned share with higher probability."""
    order: Order = "index"
    """Order in which results join the population: by index, or as they arrive."""
    window: int = attrs.field(default=8, validator=at_least(0))
    """With the order `index`, candidate k depends on candidates below k - window only."""
    confirm: int = attrs.field(default=0, validator=at_least(0))
    """N: train a member once more with another seed before it becomes a parent for the N-th time,
    and when it is among the best three. 0 trains each network once."""
    limits: Limits = Limits()
    keep_weights: bool = False
    """True if a child's text keeps its parent's weights on the edges that stayed."""
    oneshot_edges: int | None = attrs.field(default=None, validator=at_least(1))
    """With the method `oneshot`: number of edges between nodes that the first pruned network keeps;
    None is the expected number of an initial network."""
    oneshot_steps: int = attrs.field(default=10, validator=at_least(1))
    """With the method `oneshot`: training steps of the connected network, as a multiple of those of
    the other candidates."""

    def results_needed(self, index: int) -> int:
        """Return the number of first results that candidate `index` depends on."""
        if self.method == "oneshot":
            return min(index, 1)
        return 0 if self.order == "arrival" else max(index - self.window, 0)
