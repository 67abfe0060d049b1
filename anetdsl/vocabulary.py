"""The statements of the language, their attributes, value types and bounds.

The parser's messages, the rules, the column order of the formatter and the tables in docs/spec.md
use these tables. The names are those of the paper (3.1, A.1, Table 4); `blocks`, `attention`,
`peers` and `kind=object` are those of AssembleNet++ (Ryoo et al., ECCV 2020).
"""

from __future__ import annotations

from typing import Literal

import attrs

LANGUAGE_VERSION = 1
DEFAULT_WIDTHS = (64, 128, 256, 512)
"""D_v of levels 1 to 4 (paper A.1)."""
DEFAULT_MODULES = (3, 4, 6, 3)
"""Residual modules of levels 1 to 4: the paper's m = 1.5, 2, 3, 1.5 counts pairs (paper A.3)."""
LITE_MODULES = (3, 5, 11, 7)
"""Residual modules of levels 1 to 4 with `blocks=lite` (AssembleNet++ lite)."""
TOP_LEVEL = 4
STEM_STRIDE = 4
"""A stem halves the size twice, in its 7x7 convolution and in its pooling (paper A.3)."""
LITE_STEM_STRIDE = 2
"""A stem of a network with `blocks=lite` halves the size in its 3x3 convolution."""
LITE_SINK_WIDTHS = (432, 2048)
"""Output channels of the convolutions in the sink of a network with `blocks=lite`."""
OBJECT_STEM_STRIDE = 4
"""The stem of an object input is a 4x4 max pool of stride 4, also with `blocks=lite`."""

MAX_FILE_BYTES = 1 << 20
MAX_NODES = 10_000
MAX_INPUT_CHANNELS = 1024
MAX_FINDINGS = 1_000
"""Number of findings after which checking a text stops; A608 reports that."""

ValueType = Literal["int", "number", "choice", "string", "ints", "filters", "strings", "edges"]


@attrs.frozen
class Attribute:
    """One `name=value` of a statement."""

    name: str
    type: ValueType
    meaning: str
    required: bool = False
    low: int = 1
    high: int = 0
    choices: tuple[str, ...] = ()
    length: int | None = None
    """Number of items in a list; None means one or more."""
    default: str = ""
    """Value of a missing attribute as it is written; empty if there is none, or if it depends."""
    paper: str = ""
    """Sections of the paper that define the attribute."""
    old_name: str = ""
    """Name of the attribute in texts of earlier versions, which are still read."""

    def expected(self) -> str:
        """Describe the valid values, for messages and the manual."""
        bounds = f"from {self.low:,} to {self.high:,}"
        match self.type:
            case "int":
                return f"a whole number {bounds}"
            case "number":
                return "a number"
            case "choice":
                return " or ".join(f"`{choice}`" for choice in self.choices)
            case "string":
                return 'a "string" in double quotes'
            case "ints":
                return f"a list of {self.length} whole numbers {bounds}"
            case "filters":
                return f"a whole number {bounds}, or a list of {self.length} with `blocks=lite`"
            case "strings":
                return 'a list of "strings"'
            case "edges":
                return "a list of names, such as `[a, b@0.5]`"


@attrs.frozen
class Statement:
    """One kind of statement."""

    keyword: str
    meaning: str
    attributes: tuple[Attribute, ...] = ()
    named: bool = False
    many: bool = False
    """True if a file may have several statements of this kind."""

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute with this name or old name, or None."""
        return next((a for a in self.attributes if name in (a.name, a.old_name)), None)


_MEASURES = (
    ("top1", "top-1 accuracy in percent", "4"),
    ("top5", "top-5 accuracy in percent", "4"),
    ("mAP", "mean average precision in percent (Charades)", "4"),
    ("wAP", "weighted average precision in percent (Charades)", ""),
    ("loss", "the validation loss", ""),
    ("fitness", "the value that the search maximises; in the paper top1 + top5", "3.2"),
)

STATEMENTS: dict[str, Statement] = {
    statement.keyword: statement
    for statement in (
        Statement("anet", "the version of the language; always the first statement"),
        Statement(
            "network",
            "the network's name, and settings for all of its blocks",
            (
                Attribute(
                    "blocks",
                    "choice",
                    "the kind of all blocks: those of the paper, or the lite blocks of "
                    "AssembleNet++",
                    choices=("full", "lite"),
                    default="full",
                ),
                Attribute(
                    "D",
                    "ints",
                    "widths of the 3x3 convolutions at levels 1-4 (D_v)",
                    low=1,
                    high=8192,
                    length=4,
                    default="[64, 128, 256, 512]",
                    paper="A.1",
                ),
                Attribute(
                    "modules",
                    "ints",
                    "residual modules of a block at levels 1-4",
                    low=1,
                    high=256,
                    length=4,
                    paper="3.1, A.3",
                ),
                Attribute(
                    "edges",
                    "choice",
                    "whether edge weights are trained or frozen as written",
                    choices=("learned", "fixed"),
                    default="learned",
                    paper="3.1",
                ),
                Attribute(
                    "attention",
                    "choice",
                    "attention of the connections (AssembleNet++): none, by the connection itself, "
                    "or by its peers",
                    choices=("none", "self", "peer"),
                    default="none",
                ),
            ),
            named=True,
        ),
        Statement(
            "origin",
            "the network's history; it does not change the network",
            (
                Attribute("parent", "string", "name of the parent network", paper="3.2"),
                Attribute(
                    "candidate",
                    "int",
                    "number of the candidate in its search, from 0",
                    low=0,
                    high=10**9,
                    paper="3.2",
                    old_name="round",
                ),
                Attribute("seed", "int", "seed of the mutation", low=0, high=2**64 - 1),
                Attribute(
                    "ops", "strings", "operations applied to the parent, in order", paper="3.2"
                ),
            ),
        ),
        Statement(
            "score",
            "measured results; they do not change the network",
            tuple(
                Attribute(name, "number", meaning, paper=paper)
                for name, meaning, paper in _MEASURES
            ),
        ),
        Statement(
            "input",
            "an input tensor of the network, (N, channels, T, H, W)",
            (
                Attribute(
                    "channels",
                    "int",
                    "number of channels",
                    required=True,
                    low=1,
                    high=MAX_INPUT_CHANNELS,
                    paper="3.1",
                ),
                Attribute(
                    "kind",
                    "choice",
                    "kind of its stems: `rgb` stems have a temporal convolution, `flow` stems "
                    "none; an `object` stem is a max pool",
                    choices=("rgb", "flow", "object"),
                    paper="3.1",
                ),
            ),
            named=True,
            many=True,
        ),
        Statement(
            "node",
            "one block: a stem (level 0) or a block of residual modules (levels 1-4)",
            (
                Attribute(
                    "level", "int", "level of the block", required=True, low=0, high=4, paper="3.1"
                ),
                Attribute(
                    "C",
                    "filters",
                    "number of filters; the output has 4C channels, that of a stem C. With "
                    "`blocks=lite`: the widths of the three convolutions in a module; the last one "
                    "is that of the output",
                    required=True,
                    low=1,
                    high=8192,
                    length=3,
                    paper="3.1, A.1",
                ),
                Attribute(
                    "r",
                    "int",
                    "temporal resolution: the dilation of temporal convolutions",
                    required=True,
                    low=1,
                    high=256,
                    paper="3.1",
                ),
                Attribute(
                    "stride",
                    "int",
                    "spatial stride of the block; 4 for a stem, 2 for one with `blocks=lite`",
                    required=True,
                    low=1,
                    high=16,
                    paper="A.3",
                ),
                Attribute(
                    "inputs",
                    "edges",
                    "its sources: one input (a stem), or nodes of lower levels",
                    required=True,
                    paper="3.1",
                ),
                Attribute(
                    "peers",
                    "edges",
                    "learned shares of the nodes of lower levels in its attention",
                ),
            ),
            named=True,
            many=True,
        ),
        Statement(
            "sink",
            "the classifier",
            (
                Attribute(
                    "inputs", "edges", "the nodes that it reads", required=True, paper="3.1, A.4"
                ),
                Attribute(
                    "classes",
                    "int",
                    "number of classes",
                    required=True,
                    low=1,
                    high=1_000_000,
                    paper="A.4",
                ),
                Attribute(
                    "combine",
                    "choice",
                    "how the vectors of several inputs are combined",
                    choices=("mean", "concat"),
                    default="mean",
                    paper="A.4",
                ),
                Attribute(
                    "head",
                    "choice",
                    "`mean` classifies the average over time, `maxpool` each frame, for long clips",
                    choices=("mean", "maxpool"),
                    default="mean",
                ),
            ),
        ),
    )
}

KEYWORDS = tuple(STATEMENTS)
REQUIRED = ("network", "input", "node", "sink")
"""Statements that every file must have, besides the version."""
UNUSED_BY_OBJECT_STEMS = ("C", "r")
"""Required attributes of a node that the stem of an object input does without."""
ROW_STATEMENTS = ("input", "node")
"""Statements that the formatter aligns as rows of a table."""
