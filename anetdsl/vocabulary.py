"""The words of the language: statements, their attributes, types and bounds, once.

The parser's messages, the checks, the formatter's column order and the tables of docs/spec.md all
read these tables. The names are the paper's (3.1, A.1, Table 4).
"""

from __future__ import annotations

from typing import Literal

import attrs

LANGUAGE_VERSION = 1
DEFAULT_WIDTHS = (64, 128, 256, 512)
"""D_v of levels 1 to 4 (paper A.1)."""
DEFAULT_MODULES = (3, 4, 6, 3)
"""Residual modules of levels 1 to 4: the paper's m = 1.5, 2, 3, 1.5 counts pairs (paper A.3)."""
TOP_LEVEL = 4
STEM_STRIDE = 4
"""A stem halves twice: its 7x7 convolution and its pooling (paper A.3)."""

MAX_FILE_BYTES = 1 << 20
MAX_NODES = 10_000
MAX_FINDINGS = 1_000
"""Of a text with more, these are told, and that there are more."""

ValueType = Literal["int", "number", "choice", "string", "ints", "strings", "edges"]


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
    """How many items a list must have; None is one or more."""

    def expected(self) -> str:
        """What a value must be, for messages and the manual."""
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
    """Whether a file may hold more than one."""

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, if the statement has one."""
        return next((a for a in self.attributes if a.name == name), None)


_MEASURES = (
    ("top1", "top-1 accuracy in percent"),
    ("top5", "top-5 accuracy in percent"),
    ("mAP", "mean average precision in percent (Charades)"),
    ("wAP", "weighted average precision in percent (Charades)"),
    ("loss", "the validation loss"),
    ("fitness", "what the search maximises; the paper's is top1 + top5"),
)

STATEMENTS: dict[str, Statement] = {
    statement.keyword: statement
    for statement in (
        Statement("anet", "the version of the language; always the first statement"),
        Statement(
            "network",
            "the network's name, and what holds for all of its blocks",
            (
                Attribute(
                    "D",
                    "ints",
                    "widths of the 3x3 convolutions at levels 1-4 (D_v)",
                    low=1,
                    high=8192,
                    length=4,
                ),
                Attribute(
                    "modules",
                    "ints",
                    "residual modules of a block at levels 1-4",
                    low=1,
                    high=256,
                    length=4,
                ),
                Attribute(
                    "edges",
                    "choice",
                    "whether edge weights are trained or frozen as written",
                    choices=("learned", "fixed"),
                ),
            ),
            named=True,
        ),
        Statement(
            "origin",
            "where the network came from; changes nothing about it",
            (
                Attribute("parent", "string", "name of the parent network"),
                Attribute("round", "int", "round of the search", low=0, high=10**9),
                Attribute("seed", "int", "seed of the mutation", low=0, high=2**64 - 1),
                Attribute("ops", "strings", "what was done to the parent, in order"),
            ),
        ),
        Statement(
            "score",
            "how the network did; changes nothing about it",
            tuple(Attribute(name, "number", meaning) for name, meaning in _MEASURES),
        ),
        Statement(
            "input",
            "a tensor that the network is given, (N, channels, T, H, W)",
            (
                Attribute("channels", "int", "its channels", required=True, low=1, high=1024),
                Attribute(
                    "kind",
                    "choice",
                    "what its stems are: `rgb` ones have a temporal convolution, `flow` ones none",
                    choices=("rgb", "flow"),
                ),
            ),
            named=True,
            many=True,
        ),
        Statement(
            "node",
            "one block: a stem (level 0) or a block of residual modules (levels 1-4)",
            (
                Attribute("level", "int", "level of the block", required=True, low=0, high=4),
                Attribute(
                    "C",
                    "int",
                    "filters; the output has 4C channels, a stem's has C",
                    required=True,
                    low=1,
                    high=8192,
                ),
                Attribute(
                    "r",
                    "int",
                    "temporal resolution: the dilation of temporal convolutions",
                    required=True,
                    low=1,
                    high=256,
                ),
                Attribute(
                    "stride",
                    "int",
                    "spatial stride of the block; 4 for a stem",
                    required=True,
                    low=1,
                    high=16,
                ),
                Attribute(
                    "inputs",
                    "edges",
                    "what it reads: one input (a stem), or nodes of lower levels",
                    required=True,
                ),
            ),
            named=True,
            many=True,
        ),
        Statement(
            "sink",
            "the classifier",
            (
                Attribute("inputs", "edges", "the nodes that it reads", required=True),
                Attribute(
                    "classes", "int", "number of classes", required=True, low=1, high=1_000_000
                ),
                Attribute(
                    "combine",
                    "choice",
                    "how several inputs become one vector",
                    choices=("mean", "concat"),
                ),
                Attribute(
                    "head",
                    "choice",
                    "`mean` classifies the average over time, `maxpool` each frame, for long clips",
                    choices=("mean", "maxpool"),
                ),
            ),
        ),
    )
}

KEYWORDS = tuple(STATEMENTS)
REQUIRED = ("network", "input", "node", "sink")
"""Statements that a file cannot do without, beside the version."""
ROW_STATEMENTS = ("input", "node")
"""Statements that the formatter sets as rows of a table."""
